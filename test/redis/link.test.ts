import { EventEmitter } from "node:events"
import { expect, test } from "vitest"
import { ManualClock, settled } from "zoocache/testing"
import type { RedisArgument } from "../../src/redis/client.js"
import type { Failure } from "../../src/redis/failures.js"
import { Link } from "../../src/redis/link.js"

/** A client of one server, whose replies are given by hand. */
class Client extends EventEmitter {
  status = "ready"
  disconnections = 0
  readonly replies: ((reply: string) => void)[] = []

  callBuffer(command: string, ..._args: RedisArgument[]): Promise<unknown> {
    if (command === "info") return Promise.resolve("redis_version:7.2.0\r\nrun_id:abc\r\nredis_mode:standalone\r\n")
    return new Promise((resolve) => this.replies.push(resolve))
  }

  disconnect(): void {
    this.disconnections += 1
  }
}

async function setUp() {
  const clock = new ManualClock()
  const client = new Client()
  const faults: Failure[] = []
  const link = new Link({
    client,
    isOwn: true,
    isCluster: false,
    clock,
    where: { url: "redis://test", scrub: (text) => text },
    replyTimeoutMs: 1000,
    connectWaitMs: 1000,
    onFault: (failure) => faults.push(failure),
  })
  await link.ready()
  return { clock, client, link, faults }
}

test("a reply that arrived while this process was busy is taken, and the connection kept", async () => {
  const { clock, client, link, faults } = await setUp()
  const reply = link.send("get", "key")
  clock.advanceWithinTurn(5000)
  // The timer comes first, and the reply, which has been there for long, is read after it.
  clock.advance(0)
  client.replies[0]?.("value")
  await settled()
  await clock.advanceAsync(100)
  expect(await reply).toBe("value")
  expect([client.disconnections, faults]).toEqual([0, []])
})

test("a server that is silent for too long is given up once", async () => {
  const { clock, link, client, faults } = await setUp()
  clock.advance(1)
  const replies = [link.send("get", "a"), link.send("get", "b")]
  clock.advance(1000)
  for (const reply of replies) await expect(reply).rejects.toThrow("no reply within 1000 ms")
  expect([client.disconnections, faults.length]).toEqual([1, 1])
})

test("who waits for a connection hears of the close, and leaves nothing behind", async () => {
  const { clock, client, link } = await setUp()
  client.emit("close")
  client.status = "connecting"
  const listening = client.listenerCount("close")
  const waiting = link.send("get", "key")
  await settled()
  expect(client.listenerCount("close")).toBe(listening + 1)
  link.close()
  await expect(waiting).rejects.toThrow("the connection was closed")
  expect([client.listenerCount("close"), clock.timers]).toEqual([listening, 0])
})
