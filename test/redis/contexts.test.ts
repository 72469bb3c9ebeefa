import { AsyncLocalStorage } from "node:async_hooks"
import { EventEmitter } from "node:events"
import { expect, test } from "vitest"
import { ManualClock, settled } from "zoocache/testing"
import { SaidRarely } from "../../src/core/base/said-rarely.js"
import { Breaker } from "../../src/redis/breaker.js"
import type { RedisClient } from "../../src/redis/client.js"
import { openConnection } from "../../src/redis/connection.js"
import { RedisLeases } from "../../src/redis/leases.js"
import { Link } from "../../src/redis/link.js"
import { checkOptions } from "../../src/redis/options.js"
import { ReplyWatch } from "../../src/redis/reply-watch.js"
import { EntryNames } from "../../src/redis/store-keys.js"
import { Reach } from "../../src/redis/store-reach.js"
import { WriteQueue } from "../../src/redis/write-queue.js"

const storage = new AsyncLocalStorage<object>()
/** Notes for whom timers are set and turns waited for. */
class NotingClock extends ManualClock {
  readonly contexts: (object | undefined)[] = []

  override setTimer(...args: Parameters<ManualClock["setTimer"]>): ReturnType<ManualClock["setTimer"]> {
    this.contexts.push(storage.getStore())
    return super.setTimer(...args)
  }

  override onTurnEnd(callback: () => void): void {
    this.contexts.push(storage.getStore())
    super.onTurnEnd(callback)
  }
}

test("the timer for replies, which goes on while commands do, belongs to no request", () => {
  const clock = new NotingClock()
  const watch = new ReplyWatch<{ dueMs: number; isOver: boolean }>(clock, 10, (command) => {
    command.isOver = true
  })
  for (let count = 0; count < 3; count += 1) {
    storage.run({}, () => watch.add({ dueMs: clock.now() + 10, isOver: false }))
    clock.advance(6)
  }
  expect(clock.contexts).toEqual([undefined, undefined, undefined])
  watch.close()
})

test("the queue of writes, which goes on while writes come, belongs to no request", async () => {
  const clock = new NotingClock()
  const queue = new WriteQueue<{ key: string; bytes: number }>({
    clock,
    maxWrites: 1000,
    maxBytes: 1000,
    maxInFlight: 1,
    maxInFlightBytes: 1000,
    merge: () => undefined,
    canSend: () => true,
    send: () => settled(),
    onDropped: () => {},
  })
  storage.run({}, () => {
    for (const key of ["a", "b", "c"]) queue.add({ key, bytes: 1 })
  })
  await expect.poll(() => queue.size).toBe(0)
  expect(clock.contexts.length).toBeGreaterThan(1)
  expect(clock.contexts.every((each) => each === undefined)).toBe(true)
})

function clientOf(status: string, context: (object | undefined)[]): RedisClient {
  return Object.assign(new EventEmitter(), {
    status,
    callBuffer: () => new Promise(() => {}),
    disconnect: () => {},
    subscribe: () => Promise.resolve(),
    duplicate: () => {
      context.push(storage.getStore())
      return clientOf("wait", context)
    },
    connect: () => {
      context.push(storage.getStore())
      return new Promise(() => {})
    },
  })
}

test("a connection that a request needs first is made for all", async () => {
  const contexts: (object | undefined)[] = []
  const link = new Link({
    client: clientOf("wait", contexts),
    isOwn: true,
    isCluster: false,
    clock: new ManualClock(),
    where: { url: "redis://test", scrub: (text) => text },
    replyTimeoutMs: 1000,
    connectWaitMs: 1000,
    onFault: () => {},
  })
  const sent = storage.run({}, () => link.send("get", "key").catch(() => {}))
  link.close()
  await sent
  expect(contexts).toEqual([undefined])
})

test("a subscription that a request needs first is made for all", async () => {
  const contexts: (object | undefined)[] = []
  const clock = new ManualClock()
  const client = clientOf("ready", contexts)
  const context = { clock, random: () => 0.5, onFault: () => {} }
  const connection = openConnection(checkOptions({ client }), context)
  const breaker = new Breaker({ ...context, failures: 3, minPauseMs: 1, maxPauseMs: 1, onOpen: () => {} })
  const leases = new RedisLeases({
    client,
    clock,
    breaker,
    reach: new Reach(client),
    timeoutMs: 100,
    name: "test",
    rarely: new SaidRarely(clock, 1000),
    listen: (options) => connection.subscribe(options),
    prefix: "test",
    db: 0,
    names: new EntryNames("test"),
    onFault: () => {},
  })
  storage.run({}, () => leases.watch("key", () => {}))
  await settled()
  expect(contexts.length).toBeGreaterThan(0)
  expect(contexts.every((each) => each === undefined)).toBe(true)
  connection.close()
})
