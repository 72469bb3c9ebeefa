import { fieldsOf, RedisServer, type Reply, type ServerOptions } from "./server.js"
import { until } from "./until.js"

export interface ClusterOptions {
  readonly masters?: number
  /** Of each master. */
  readonly replicas?: number
  /** After how long a node that does not answer counts as gone, so that a replica takes its place. */
  readonly nodeTimeoutMs?: number
  readonly server?: ServerOptions
}

const SLOTS = 16_384

/** Servers that share the hash slots among them. */
export class RedisCluster implements AsyncDisposable {
  /** The masters first, as they were in the beginning. */
  readonly nodes: readonly RedisServer[]

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes
  }

  /** Resolves when every node knows all of them, and serves. That takes two seconds: a master waits so long, always. */
  static async start(options: ClusterOptions = {}): Promise<RedisCluster> {
    const { masters = 3, replicas = 0, nodeTimeoutMs = 2000, server = {} } = options
    const config = ["cluster-enabled yes", `cluster-node-timeout ${nodeTimeoutMs}`, ...(server.config ?? [])]
    const started = Array.from({ length: masters * (1 + replicas) }, () => RedisServer.start({ ...server, config }))
    const settled = await Promise.allSettled(started)
    const nodes = settled.filter((result) => result.status === "fulfilled").map((result) => result.value)
    const cluster = new RedisCluster(nodes)
    try {
      // Rejects with the reason of the first that did not start.
      await Promise.all(started)
      await cluster.#join(masters)
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  get urls(): string[] {
    return this.nodes.map((node) => node.url)
  }

  /** The node that is now the master of a key's slot. */
  async masterOf(key: string): Promise<RedisServer> {
    const [node] = this.nodes.filter((node) => node.isRunning)
    if (node === undefined) throw new Error("No node runs")
    const slot = Number(await node.command("CLUSTER", "KEYSLOT", key))
    const ranges = (await node.command("CLUSTER", "SLOTS")) as readonly SlotRange[]
    const range = ranges.find(([first, last]) => Number(first) <= slot && slot <= Number(last))
    const master = this.nodes.find(({ port }) => `${port}` === range?.[2][1])
    if (master === undefined) throw new Error(`No node has slot ${slot}`)
    return master
  }

  /** Resolves when every node that runs says that the cluster serves. */
  async untilServing(): Promise<void> {
    for (const node of this.nodes.filter((node) => node.isRunning)) {
      await until(async () => fieldsOf(await node.command("CLUSTER", "INFO")).get("cluster_state") === "ok", {
        what: `the node on port ${node.port} to serve`,
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()))
  }

  async #join(count: number): Promise<void> {
    const masters = this.nodes.slice(0, count)
    await Promise.all(
      masters.map(async (master, index) => {
        await master.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        const [first, end] = [index, index + 1].map((share) => Math.floor((share * SLOTS) / count)) as [number, number]
        await master.command("CLUSTER", "ADDSLOTS", ...Array.from({ length: end - first }, (_, slot) => first + slot))
      }),
    )
    // Each of them, so that nobody has to wait for gossip.
    for (const [index, node] of this.nodes.entries()) {
      for (const { port } of this.nodes.slice(index + 1)) await node.command("CLUSTER", "MEET", "127.0.0.1", port)
    }
    await this.#agree(this.nodes.length, count)
    const replicas = this.nodes.slice(count)
    for (const [index, replica] of replicas.entries()) {
      const master = masters[index % count] as RedisServer
      await replica.command("CLUSTER", "REPLICATE", String(await master.command("CLUSTER", "MYID")))
    }
    await Promise.all(replicas.map((replica) => replica.untilInSync()))
    await this.#agree(count, count)
    await this.untilServing()
  }

  /** Resolves when every node knows so many masters and all others as replicas, is connected to them, and has their slots. */
  async #agree(masters: number, owners: number): Promise<void> {
    const others = this.nodes.length - masters
    for (const node of this.nodes) {
      await until(
        async () => {
          const lines = String(await node.command("CLUSTER", "NODES"))
            .trim()
            .split("\n")
          const known = lines.filter((line) => !/handshake|noaddr|fail/.test(line) && line.includes(" connected"))
          const hasRole = (role: string) => known.filter((line) => line.includes(role)).length
          const hasSlots = known.filter((line) => /\bmaster\b.* connected \d/.test(line)).length
          return hasRole("master") === masters && hasRole("slave") === others && hasSlots === owners
        },
        { what: `the node on port ${node.port} to know the others` },
      )
    }
  }
}

type SlotRange = readonly [
  first: Reply,
  last: Reply,
  master: readonly [ip: string, port: string, ...Reply[]],
  ...Reply[],
]
