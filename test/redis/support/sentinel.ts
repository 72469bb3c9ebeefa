import { administrator, RedisServer, type ServerOptions } from "./server.js"
import { until } from "./until.js"

export interface SentinelOptions {
  /** How many processes watch; more than half of them have to agree that the master is down. */
  readonly sentinels?: number
  /** After how long a master that does not answer counts as down. */
  readonly downAfterMs?: number
  /** How long a failover may take; for twice that long no second one is begun by itself. */
  readonly failoverTimeoutMs?: number
  /**
   * Look at everything several times a second (needs Redis 7 or Valkey; a sentinel that is restarted does not any more). At
   * their own pace, sentinels let an old master that still runs be one for ten seconds more: clients may write to both.
   */
  readonly isQuick?: boolean
  readonly server?: ServerOptions
}

/** One master, one replica, and the sentinels that make the replica the master when that is gone. */
export class RedisSentinel implements AsyncDisposable {
  /** What the sentinels call the master. */
  readonly name = "zoocache"
  /** The first master and its replica, whatever they are now. */
  readonly servers: readonly RedisServer[]
  readonly sentinels: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.servers = servers
    this.sentinels = sentinels
  }

  /** Resolves when all sentinels know the master, its replica and each other. */
  static async start(options: SentinelOptions = {}): Promise<RedisSentinel> {
    const { sentinels: count = 1, downAfterMs = 1000, failoverTimeoutMs = 3000, isQuick = true, server = {} } = options
    const servers: RedisServer[] = []
    const sentinels: RedisServer[] = []
    const watched = new RedisSentinel(servers, sentinels)
    try {
      const master = await RedisServer.start(server)
      servers.push(master)
      servers.push(await RedisServer.start({ ...server, replicaof: master }))
      const { name } = watched
      const quorum = Math.floor(count / 2) + 1
      const config = [
        `sentinel monitor ${name} 127.0.0.1 ${master.port} ${quorum}`,
        `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
        `sentinel failover-timeout ${name} ${failoverTimeoutMs}`,
        ...authLines(name, server),
      ]
      const { tls = false } = server
      for (let index = 0; index < count; index += 1) {
        sentinels.push(await RedisServer.start({ sentinel: true, tls, config }))
      }
      const periods = quickPeriods(count)
      if (isQuick) await Promise.all(sentinels.map((sentinel) => sentinel.command("SENTINEL", "DEBUG", ...periods)))
      await Promise.all(sentinels.map((sentinel) => watched.#isReady(sentinel)))
      return watched
    } catch (error) {
      await watched[Symbol.asyncDispose]()
      throw error
    }
  }

  /** What clients take as `sentinels`. */
  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: "127.0.0.1", port }))
  }

  /** The master, as the first sentinel that runs has it. */
  async master(): Promise<RedisServer> {
    const sentinel = this.sentinels.find((sentinel) => sentinel.isRunning)
    if (sentinel === undefined) throw new Error("No sentinel runs")
    return this.#masterOf(sentinel)
  }

  /** Makes the replica the master, while both run. Resolves with the new master when the old one follows it. */
  async failover(): Promise<RedisServer> {
    const old = await this.master()
    const sentinel = this.sentinels.find((sentinel) => sentinel.isRunning)
    // A sentinel refuses while it has not heard of the replica for a moment.
    await until(() => sentinel?.command("SENTINEL", "FAILOVER", this.name), { what: "a sentinel to begin a failover" })
    const next = await this.untilMasterIsNot(old)
    await until(async () => (await old.info("replication")).get("role") === "slave", {
      what: "the old master to follow the new one",
    })
    await old.untilInSync()
    return next
  }

  /**
   * Resolves with the new master when all sentinels that run have that: to be called after something was done to the old
   * one. An old one that runs, or starts again, believes to be the master until the sentinels tell it otherwise.
   */
  async untilMasterIsNot(old: RedisServer): Promise<RedisServer> {
    return await until(
      async () => {
        const running = this.sentinels.filter((sentinel) => sentinel.isRunning)
        const masters = await Promise.all(running.map((sentinel) => this.#masterOf(sentinel)))
        const next = masters[0]
        if (next === undefined || next === old || masters.some((master) => master !== next)) return false
        return (await next.info("replication")).get("role") === "master" && next
      },
      { what: "the sentinels to choose another master" },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server[Symbol.asyncDispose]()))
  }

  async #masterOf(sentinel: RedisServer): Promise<RedisServer> {
    const address = (await sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", this.name)) as
      [string, string] | null
    const server = this.servers.find(({ port }) => `${port}` === address?.[1])
    if (server === undefined) throw new Error(`The sentinel on port ${sentinel.port} has no master`)
    return server
  }

  async #isReady(sentinel: RedisServer): Promise<void> {
    await until(
      async () => {
        const replicas = (await sentinel.command("SENTINEL", "REPLICAS", this.name)) as string[][]
        const others = (await sentinel.command("SENTINEL", "SENTINELS", this.name)) as string[][]
        const known = [...replicas, ...others].map((fields) => fields[fields.indexOf("flags") + 1])
        return (
          known.length === this.sentinels.length && known.every((flags) => flags === "slave" || flags === "sentinel")
        )
      },
      { what: `the sentinel on port ${sentinel.port} to know all` },
    )
  }
}

function quickPeriods(sentinels: number): (string | number)[] {
  // After four times this, a sentinel demotes a master that it has not heard of; and it hears of a new one from the sentinel
  // that has made it one, which itself needs a second to see that it is one.
  const publishMs = sentinels === 1 ? 200 : 600
  return ["INFO-PERIOD", 200, "PING-PERIOD", 200, "ASK-PERIOD", 200, "PUBLISH-PERIOD", publishMs]
}

/** How sentinels log in to the servers. */
function authLines(name: string, { users, requirepass }: ServerOptions): string[] {
  if (users !== undefined) {
    const { username, password } = administrator
    return [`sentinel auth-user ${name} ${username}`, `sentinel auth-pass ${name} ${password}`]
  }
  return requirepass === undefined ? [] : [`sentinel auth-pass ${name} ${requirepass}`]
}
