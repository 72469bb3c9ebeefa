import { AsyncLocalStorage } from "node:async_hooks"
import { ManualClock } from "zoocache/testing"
import { describe, expect, it } from "vitest"
import {
  after,
  Closing,
  Deferred,
  Listeners,
  pause,
  type Ending,
  waitFor,
  waitUntil,
  whenAborted,
  whenClosed,
  whenTold,
} from "../../../src/core/base/waits.js"

/** A signal that tells how many listen to it. */
function countedSignal() {
  const controller = new AbortController()
  const { signal } = controller
  let count = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  const listening = new Set<unknown>()
  signal.addEventListener = (type: string, listener: never, options?: unknown) => {
    listening.add(listener)
    count += 1
    add(type, listener, options as never)
  }
  signal.removeEventListener = (type: string, listener: never) => {
    listening.delete(listener)
    remove(type, listener)
  }
  return { controller, signal, listening, added: () => count }
}

const refuse = (why: string) => () => {
  throw new Error(why)
}

describe("a wait for work", () => {
  const setUp = () => {
    const clock = new ManualClock()
    const closing = new Closing()
    const counted = countedSignal()
    const work = new Deferred<string>()
    const wait = waitFor(
      work.promise,
      after(clock, 100, true, refuse("too late")),
      whenAborted(counted.signal),
      whenClosed(closing, refuse("closed")),
    )
    const left = () => ({ timers: clock.timers, closing: closing.waits, signal: counted.listening.size })
    return { clock, closing, counted, work, wait, left }
  }
  const nothing = { timers: 0, closing: 0, signal: 0 }

  it("gives what the work gives, and takes everything back", async () => {
    const { work, wait, left } = setUp()
    expect(left()).toEqual({ timers: 1, closing: 1, signal: 1 })
    work.resolve("done")
    expect(await wait).toBe("done")
    expect(left()).toEqual(nothing)
  })

  it("fails as the work fails, and takes everything back", async () => {
    const { work, wait, left } = setUp()
    work.reject(new Error("no"))
    await expect(wait).rejects.toThrow("no")
    expect(left()).toEqual(nothing)
  })

  it("ends when its time is over, whatever the work does then", async () => {
    const { clock, work, wait, left } = setUp()
    clock.advance(99)
    expect(left().timers).toBe(1)
    clock.advance(1)
    expect(left()).toEqual(nothing)
    work.reject(new Error("heard by nobody"))
    await expect(wait).rejects.toThrow("too late")
  })

  it("ends with the reason of its signal", async () => {
    const { counted, wait, left } = setUp()
    const reason = { why: "left" }
    counted.controller.abort(reason)
    expect(left()).toEqual(nothing)
    await expect(wait).rejects.toBe(reason)
  })

  it("ends when what it listens to closes", async () => {
    const { closing, wait, left } = setUp()
    closing.close()
    expect(left()).toEqual(nothing)
    await expect(wait).rejects.toThrow("closed")
  })

  it("ends at once, and sets up nothing more, where a signal is aborted already", async () => {
    const clock = new ManualClock()
    const reason = new Error("before")
    let asked = 0
    const wait = waitFor(
      Promise.reject<number>(new Error("heard by nobody")),
      whenAborted(AbortSignal.abort(reason), () => (asked += 1)),
      after(clock, 1, true, () => 0),
    )
    expect([clock.timers, asked]).toEqual([0, 1])
    await expect(wait).rejects.toBe(reason)
  })

  it("ends at once where what it listens to is closed already", async () => {
    const closing = new Closing()
    closing.close()
    closing.close()
    const wait = waitFor(
      new Promise<string>(() => {}),
      whenClosed(closing, () => "over"),
    )
    expect(await wait).toBe("over")
    expect(closing.waits).toBe(0)
  })

  it("takes back what was set up before an ending that came at once", async () => {
    const clock = new ManualClock()
    const closing = new Closing()
    const work = new Promise<never>(() => {})
    const wait = waitFor(
      work,
      after(clock, 1, true, refuse("late")),
      whenClosed(closing, refuse("closed")),
      whenAborted(AbortSignal.abort("left")),
    )
    expect([clock.timers, closing.waits]).toEqual([0, 0])
    await expect(wait).rejects.toBe("left")
  })

  it("does without a signal", async () => {
    expect(await waitFor(Promise.resolve(1), whenAborted(undefined))).toBe(1)
  })

  it("ends once, also when taking back calls in again", async () => {
    let wait: Parameters<Ending<string>>[0] | undefined
    let takenBack = 0
    const promise = waitUntil<string>((own) => {
      wait = own
      return () => {
        takenBack += 1
        own.resolve("second")
      }
    })
    wait?.resolve("first")
    wait?.reject(new Error("third"))
    wait?.endWith(() => "fourth")
    expect(await promise).toBe("first")
    expect(takenBack).toBe(1)
  })

  it("does not ask how it would have ended once it is over", async () => {
    const closing = new Closing()
    let asked = 0
    const wait = waitFor(
      Promise.resolve("done"),
      whenClosed(closing, () => `asked ${(asked += 1)}`),
    )
    await wait
    closing.close()
    expect(asked).toBe(0)
  })

  it("keeps nothing of its caller in what lives longer than it", async () => {
    const collect = globalThis.gc as () => void
    const storage = new AsyncLocalStorage<object>()
    const clock = new ManualClock()
    const closing = new Closing()
    const listeners = new Listeners()
    const { signal } = new AbortController()
    const stores: WeakRef<object>[] = []
    const call = async () => {
      const store = { request: new Uint8Array(1024) }
      stores.push(new WeakRef(store))
      await storage.run(store, () =>
        waitFor(
          Promise.resolve(1),
          after(clock, 1e6, true, () => 0),
          whenAborted(signal),
          whenClosed(closing, () => 0),
          listeners.add.bind(listeners, () => {}),
        ),
      )
    }
    for (let count = 0; count < 10; count += 1) await call()
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(stores.filter((store) => store.deref() !== undefined).length).toBeLessThanOrEqual(1)
    expect([clock.timers, closing.waits, listeners.size]).toEqual([0, 0, 0])
  })
})

describe("a pause", () => {
  it("is as long as it says, by the clock", async () => {
    const clock = new ManualClock()
    const order: string[] = []
    const paused = pause(clock, 50, true).then(() => order.push("paused"))
    expect(clock.keepingAlive).toBe(1)
    await clock.advanceAsync(49)
    order.push("49 ms")
    await clock.advanceAsync(1)
    await paused
    expect(order).toEqual(["49 ms", "paused"])
  })

  it("ends with what closes", async () => {
    const clock = new ManualClock()
    const closing = new Closing()
    const paused = pause(
      clock,
      50,
      false,
      whenClosed(closing, () => {}),
    )
    closing.close()
    await paused
    expect(clock.timers).toBe(0)
  })
})

describe("listeners", () => {
  it("hear of each time until they leave, and may be the same twice", () => {
    const listeners = new Listeners()
    let heard = 0
    const listener = () => (heard += 1)
    const leave = listeners.add(listener)
    listeners.add(listener)
    listeners.tell()
    leave()
    leave()
    listeners.tell()
    expect([heard, listeners.size]).toEqual([3, 1])
  })

  it("that are added while others are told hear of the next time", () => {
    const listeners = new Listeners()
    const heard: string[] = []
    listeners.add(() => {
      heard.push("first")
      if (heard.length === 1) listeners.add(() => heard.push("second"))
    })
    listeners.tell()
    expect(heard).toEqual(["first"])
    listeners.tell()
    expect(heard).toEqual(["first", "first", "second"])
  })

  it("end a wait the next time that they are told", async () => {
    const listeners = new Listeners()
    const wait = waitUntil(whenTold(listeners))
    listeners.tell()
    await wait
    expect(listeners.size).toBe(0)
  })
})
