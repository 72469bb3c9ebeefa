import { describe, expect, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { FaultyProxy } from "../support/proxy.js"
import { RedisSentinel } from "../support/sentinel.js"
import { RedisServer, type ServerOptions } from "../support/server.js"
import { until } from "../support/until.js"
import { Fleet, PREFIX } from "./support/fleet.js"

const { state } = logKeys(PREFIX)

describe("a fleet under load reads nothing stale and loses nothing", { timeout: 60_000 }, () => {
  test("when a replica that lags takes over, without what was acknowledged", async () => {
    await using pair = await Pair.start()
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    pair.part()
    fleet.deafen(1)
    await fleet.goOn(500)
    expect(await headOf(master)).toBeGreaterThan(await headOf(replica))
    await master.kill()
    await pair.promote()
    fleet.moveTo(replica)
    await fleet.untilDelivered()
    await fleet.goOn(2200)
    await fleet.finish()
  })

  test("when sentinels replace a master that was killed", async () => {
    await using watched = await RedisSentinel.start({ downAfterMs: 500 })
    const master = await watched.master()
    const redis = { sentinels: watched.addresses, name: watched.name }
    await using fleet = await Fleet.start(master, { redis })
    await master.kill()
    await watched.untilMasterIsNot(master)
    await fleet.untilDelivered()
    await fleet.goOn(500)
    await fleet.finish()
  })

  test("when the old master comes back with its old data", async () => {
    await using pair = await Pair.start({ appendonly: true })
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    await master.kill()
    await pair.promote()
    fleet.moveTo(replica)
    await fleet.untilDelivered()
    fleet.deafen(1)
    await fleet.goOn(300)
    await replica.kill()
    await master.restart({ keepData: true })
    fleet.moveTo(master)
    await fleet.untilDelivered()
    await fleet.goOn(2200)
    await fleet.finish()
  })

  test.each(["the new one", "the old one"])(
    "when two masters acknowledged for a while: it is repaired once %s is the only one",
    async (which) => {
      await using pair = await Pair.start()
      const { master, replica } = pair
      await using fleet = await Fleet.start(master)
      fleet.split()
      pair.part()
      await fleet.goOn(200)
      await pair.promote()
      const moved = fleet.others(0)
      fleet.moveTo(replica, moved)
      await fleet.goOn(1500)
      const heads = [await headOf(master), await headOf(replica)]
      const left = which === "the new one" ? replica : master
      const other = left === master ? replica : master
      await other.command("REPLICAOF", "127.0.0.1", left.port)
      fleet.moveTo(left, left === master ? moved : [fleet.node(0)])
      await fleet.heal()
      expect(await headOf(left)).toBeGreaterThan(Math.max(...heads))
      await fleet.goOn(2200)
      await fleet.finish()
    },
  )
})

/** A master and a replica, with a proxy between them that can part them. */
class Pair implements AsyncDisposable {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly #proxy: FaultyProxy

  private constructor(master: RedisServer, replica: RedisServer, proxy: FaultyProxy) {
    this.master = master
    this.replica = replica
    this.#proxy = proxy
  }

  static async start(options: ServerOptions = {}): Promise<Pair> {
    const [master, replica] = await Promise.all([RedisServer.start(options), RedisServer.start(options)])
    const pair = new Pair(master, replica, await FaultyProxy.start(master.port))
    await replica.command("REPLICAOF", "127.0.0.1", pair.#proxy.port)
    await until(async () => (await replica.info("replication")).get("master_link_status") === "up", {
      what: "the replica to follow",
    })
    return pair
  }

  /** The replica hears nothing any more. */
  part(): void {
    this.#proxy.silence("both")
  }

  async promote(): Promise<void> {
    await this.replica.command("REPLICAOF", "NO", "ONE")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.master, this.replica, this.#proxy].map((each) => each[Symbol.asyncDispose]()))
  }
}

async function headOf(server: RedisServer): Promise<number> {
  return Number(await server.command("HGET", state, "head"))
}
