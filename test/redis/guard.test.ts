import { EventEmitter } from "node:events"
import { expect, test } from "vitest"
import { ManualClock, settled } from "zoocache/testing"
import { SaidRarely } from "../../src/core/base/said-rarely.js"
import { Deferred } from "../../src/core/base/waits.js"
import { Breaker } from "../../src/redis/breaker.js"
import type { RedisClient } from "../../src/redis/client.js"
import { Guard, GuardedCall } from "../../src/redis/guard.js"
import { Reach } from "../../src/redis/store-reach.js"

class Call extends GuardedCall {
  readonly ends: string[] = []
  readonly reply = new Deferred()

  override send(): Promise<unknown> {
    return this.reply.promise
  }
  override answered(reply: unknown): void {
    this.ends.push(`answered ${String(reply)}`)
  }
  override refused(fault: Error | undefined): void {
    this.ends.push(`refused ${fault?.message ?? "as before"}`)
  }
  override unanswered(): void {
    this.ends.push("unanswered")
  }
  override answeredLate(reply: unknown): void {
    this.ends.push(`late ${String(reply)}`)
  }
}

function setUp() {
  const clock = new ManualClock()
  const client = Object.assign(new EventEmitter(), {
    status: "ready",
    callBuffer: () => Promise.resolve(),
    disconnect: () => {},
  }) as unknown as RedisClient & { status: string }
  const breaker = new Breaker({
    clock,
    random: () => 1,
    failures: 2,
    minPauseMs: 1000,
    maxPauseMs: 1000,
    onOpen: () => {},
  })
  const rarely = new SaidRarely(clock, 10_000)
  const reach = new Reach(client)
  const guard = new Guard({ client, clock, breaker, reach, timeoutMs: 100, kind: "read", name: "redis://test", rarely })
  const run = (call = new Call()) => {
    guard.run(call)
    return call
  }
  return { clock, client, breaker, guard, run }
}

test("a reply in time is the answer", async () => {
  const { run, clock } = setUp()
  const call = run()
  call.reply.resolve("value")
  await settled()
  clock.advance(1000)
  expect(call.ends).toEqual(["answered value"])
})

test("a call without a reply in time is unanswered, and its reply is late", async () => {
  const { run, clock, guard } = setUp()
  const [first, second] = [run(), run()]
  clock.advance(100)
  first.reply.resolve("value")
  second.reply.reject(new Error("ERR late"))
  await settled()
  expect([first.ends, second.ends]).toEqual([["unanswered", "late value"], ["unanswered"]])
  expect(guard.timeouts).toBe(2)
})

test("calls without an answer open the breaker, and then nothing is sent", async () => {
  const { run, clock, breaker } = setUp()
  run()
  run().reply.reject(new Error("connect ECONNREFUSED"))
  await settled()
  clock.advance(100)
  expect(breaker.state).toBe("open")
  let wasSent = false
  const call = new Call()
  call.send = () => {
    wasSent = true
    return call.reply.promise
  }
  expect([run(call).ends, wasSent]).toEqual([["unanswered"], false])
})

test("a refusal is told rarely, and the server counts as there", async () => {
  const { run, breaker, clock } = setUp()
  const refuse = async () => {
    const call = run()
    call.reply.reject(new Error("NOPERM this user has no permissions"))
    await settled()
    return call.ends
  }
  expect(await refuse()).toEqual([expect.stringMatching(/^refused .*read from redis:\/\/test/)])
  expect([await refuse(), await refuse()]).toEqual([["refused as before"], ["refused as before"]])
  expect(breaker.state).toBe("closed")
  clock.advance(10_000)
  expect(await refuse()).not.toEqual(["refused as before"])
})

test("a server that can't be used now is as one that is not there", async () => {
  const { run } = setUp()
  const call = run()
  call.reply.reject(new Error("LOADING Redis is loading the dataset in memory"))
  await settled()
  expect(call.ends).toEqual(["unanswered"])
})

test("a client that throws is one that rejects", () => {
  const { run } = setUp()
  const call = new Call()
  call.send = () => {
    throw new Error("Connection is closed.")
  }
  expect(run(call).ends).toEqual(["unanswered"])
})

test("nothing is sent over a connection that was lost", () => {
  const { run, client } = setUp()
  run()
  client.status = "reconnecting"
  expect(run().ends).toEqual(["unanswered"])
})

test("the close answers what is under way and what comes after it, once, and leaves no timer", async () => {
  const { run, guard, clock, breaker } = setUp()
  const before = run()
  guard.close()
  const after = run()
  before.reply.resolve("value")
  await settled()
  expect([before.ends, after.ends]).toEqual([["unanswered", "late value"], ["unanswered"]])
  expect([clock.timers, breaker.state]).toEqual([0, "closed"])
})
