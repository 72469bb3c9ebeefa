import { logKeys } from "../../../../src/redis/keys.js"
import { FaultyProxy } from "../../support/proxy.js"
import { RedisServer, type ServerOptions } from "../../support/server.js"
import { until } from "../../support/until.js"
import { PREFIX } from "./fleet.js"

const { state } = logKeys(PREFIX)

/** A master and a replica, with a proxy between them that can part them. */
export class Pair implements AsyncDisposable {
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

/** The newest version of the fleet's log on a server. */
export async function headOf(server: RedisServer): Promise<number> {
  return Number(await server.command("HGET", state, "head"))
}
