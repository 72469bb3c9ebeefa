import { channel, subscribe, unsubscribe } from "node:diagnostics_channel"
import { afterEach, describe, expect, test } from "vitest"
import { CacheClosedError } from "zoocache"
import { type Fault, Outbox, whole } from "../../../src/core/base/outbox.js"

const topic = channel("zoocache-test:outbox")
const ends: (() => void)[] = []

afterEach(() => {
  for (const end of ends.splice(0)) end()
})

function listen(onMessage: (message: { readonly name: string }) => void): void {
  const listener = (message: unknown) => onMessage(message as { name: string })
  subscribe(topic.name, listener)
  ends.push(() => unsubscribe(topic.name, listener))
}

function make(onFault?: (fault: Fault) => unknown) {
  const heard: string[] = []
  listen(({ name }) => heard.push(name))
  const outbox = new Outbox("test", onFault)
  return { outbox, heard, say: (name: string) => outbox.publish(topic, { name }) }
}

describe("an event", () => {
  test("goes out at once while nothing changes", () => {
    const { heard, say } = make()
    say("a")
    expect(heard).toEqual(["a"])
  })

  test("waits for the end of the outermost change, and goes out in order", () => {
    const { outbox, heard, say } = make()
    outbox.hold()
    say("a")
    outbox.whole(() => say("b"))
    expect(heard).toEqual([])
    say("c")
    outbox.release()
    expect(heard).toEqual(["a", "b", "c"])
  })

  test("of one cache waits for a change of another that is under way", () => {
    const [one, other] = [make(), make()]
    whole(() => {
      one.say("one")
      other.outbox.whole(() => other.say("other"))
      expect(one.heard).toEqual([])
    })
    expect(one.heard).toEqual(["one", "other"])
  })

  test("that its listener causes goes out too, and nothing twice", () => {
    const { outbox, heard, say } = make()
    listen(({ name }) => {
      if (name === "a") outbox.whole(() => say("b"))
    })
    outbox.whole(() => {
      say("a")
      say("c")
    })
    expect(heard.toSorted()).toEqual(["a", "b", "c"])
  })

  test("goes out also when the change has failed", () => {
    const { outbox, heard, say } = make()
    const change = () =>
      outbox.whole(() => {
        say("a")
        throw new Error("broken")
      })
    expect(change).toThrow("broken")
    expect(heard).toEqual(["a"])
    say("b")
    expect(heard).toEqual(["a", "b"])
  })
})

describe("a fault", () => {
  const error = new CacheClosedError("get")

  test("is counted at once, and told with its key when the state is whole", () => {
    const faults: Fault[] = []
    const { outbox } = make((fault) => faults.push(fault))
    outbox.whole(() => {
      outbox.fault(error, "key")
      expect([outbox.faults, faults]).toEqual([1, []])
    })
    outbox.fault(error)
    expect(faults).toEqual([
      { error, key: "key" },
      { error, key: undefined },
    ])
  })

  test.each([
    ["throws", () => expect.unreachable()],
    ["rejects", () => Promise.reject(new Error("late"))],
  ])("does nothing to the cache where its listener %s", async (_what, onFault) => {
    const { outbox } = make(onFault)
    outbox.fault(error)
    await new Promise((resolve) => setImmediate(resolve))
    expect(outbox.faults).toBe(1)
  })
})
