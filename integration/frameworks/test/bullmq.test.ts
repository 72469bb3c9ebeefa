import assert from "node:assert/strict"
import { EventEmitter, once } from "node:events"
import { test } from "node:test"
import { Queue } from "bullmq"
import type { Cache, Token } from "zoocache"
import { createCache } from "zoocache"
import { redis, type RedisSubscriber } from "zoocache/redis"
import { ManualClock } from "zoocache/testing"
import { Redis } from "ioredis"
import { findOrInstallServer } from "../../../test/redis/support/install-server.js"
import { RedisServer } from "../../../test/redis/support/server.js"
import { connect, usersOf } from "../pages/bullmq/cache.js"
import { db } from "../pages/bullmq/database.js"
import { type Mail, rename } from "../pages/bullmq/producer.js"
import { startWorker } from "../pages/bullmq/worker.js"

/** Listens to a network that loses every message. */
class Deaf extends EventEmitter implements RedisSubscriber {
  readonly status = "ready"
  subscribe(): Promise<unknown> {
    return Promise.resolve(1)
  }
  callBuffer(): Promise<unknown> {
    return Promise.resolve(Buffer.from("PONG"))
  }
  disconnect(): void {
    this.removeAllListeners()
  }
}

/** A node whose messages are lost and whose heartbeats are never due: it knows what it asks for, and nothing else. */
function connectDeaf(client: Redis): Cache {
  return createCache({ clock: new ManualClock(), prefix: "shop", backend: redis({ client, subscriber: new Deaf() }) })
}

test("bullmq: the worker reads what was written before its job, however late the news", async (t) => {
  findOrInstallServer()
  const server = await RedisServer.start()
  const producing = connect({ url: server.url })
  const client = new Redis(server.url)
  const working = connectDeaf(client)
  await Promise.all([producing.ready(), working.ready()])
  const queued = new Redis(server.url, { maxRetriesPerRequest: null })
  const mails = new Queue<Mail>("mails", { connection: queued })

  const sent = new EventEmitter()
  const getUser = usersOf(working)
  const worker = startWorker(working, getUser, queued, (text) => sent.emit("mail", text))
  // Also where it fails: what is open keeps the process.
  t.after(async () => {
    await worker.close()
    await mails.close()
    await Promise.all([producing.close(), working.close()])
    for (const one of [client, queued]) one.disconnect()
    await server[Symbol.asyncDispose]()
  })
  assert.equal((await getUser("1"))?.name, "Ada")

  // What the token is for: this node does not know yet.
  await db.rename("1", "Countess")
  const token: Token | undefined = await producing.invalidate("user:1")
  assert.equal(typeof token, "string")
  assert.equal((await getUser("1"))?.name, "Ada")

  const mail = once(sent, "mail")
  await rename(producing, mails, "1", "Ada Lovelace")
  assert.deepEqual(await mail, ["Hello Ada Lovelace"])
  assert.equal((await getUser("1"))?.name, "Ada Lovelace")
})
