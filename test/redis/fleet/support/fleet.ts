import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { expect } from "vitest"
import type { RedisOptions } from "zoocache/redis"
import type { StationData } from "../../../processes/support/commands.js"
import type { Change, Happening, Value } from "../../../processes/support/history.js"
import { type Child, expectNothingStale, Processes, readsIn } from "../../../processes/support/processes.js"
import { seededRandom } from "../../../processes/support/random.js"
import { Rows } from "../../../processes/support/rows.js"
import { now } from "../../../processes/support/station.js"
import { FaultyProxy } from "../../support/proxy.js"
import { until } from "../../support/until.js"

/** `staleness.bound` of all nodes, and their time between heartbeats: a test has to last longer than the one. */
export const BOUND_MS = 1000
const HEARTBEAT_MS = 300
/** Of the load; and so many rows more, each of which is changed once: what is lost of them has no successor that hides it. */
const HOT_ROWS = 8
const COLD_ROWS = 240
const ROWS = HOT_ROWS + COLD_ROWS
/** Of those, what is changed when a node hears nothing. */
const UNHEARD_ROWS = 5
/** How often one of them is changed. */
const COLD_MS = 35
const COURIERS = 2
const STORM = { visitors: 6, mayWaitInVain: true, restMs: 2, hotRows: HOT_ROWS }

/** Short, so that a fault shows within the seconds that a test has. */
const QUICK: Partial<RedisOptions> = { replyTimeout: 500, connectTimeout: 500, readTimeout: 100 }
const ACK_TIMEOUT_MS = 500
/** Only what fails waits so long. */
const PATIENCE_MS = 200_000

export interface FleetOptions {
  readonly nodes?: number
  readonly redis?: Partial<RedisOptions>
  readonly cache?: NonNullable<StationData["cache"]>
  readonly whenUnsure?: "load" | "serve" | "throw"
  /** `staleness.bound`. Default: {@link BOUND_MS}. */
  readonly boundMs?: number
  /** By how much the wall clock of each node is wrong. */
  readonly clockOffsetsMs?: readonly number[]
  /** Without proxies, which would take what a node that stands still does not. */
  readonly isDirect?: boolean
  /** `false`: nothing is read or changed but what the test says. */
  readonly hasLoad?: boolean
}

/** The prefix of all nodes. */
export const PREFIX = "fleet"

/** A process with a cache, behind a proxy of its own. */
export interface FleetNode extends Child {
  readonly proxy: FaultyProxy
}

/** A time in which two servers acknowledged what the other did not hear of. */
interface Split {
  readonly fromNs: number
  untilNs: number
}

/**
 * Several processes over one server, or what takes its place, under load: each reads and changes rows all the time, and
 * couriers carry tokens from one to another. In the end the history of all of them is held against the promise.
 */
export class Fleet implements AsyncDisposable {
  readonly nodes: FleetNode[] = []
  readonly #processes = new Processes({ rows: ROWS, columns: 8 })
  readonly #options: FleetOptions
  readonly #rows: Rows
  readonly #random = seededRandom(11)
  readonly #storms: Promise<unknown>[] = []
  readonly #splits: Split[] = []
  #isCalm = false
  #dead = 0
  /** The cold rows from here on are changed by a test. */
  #endOfCold = ROWS
  #failure: unknown
  /** How many tokens arrived with a read that showed what they stand for. */
  delivered = 0

  private constructor(options: FleetOptions) {
    this.#options = options
    this.#rows = new Rows(join(this.#processes.folder, "rows"), this.#processes.shape)
  }

  /** Resolves when all nodes are ready and under load. */
  static async start(server: { readonly port: number }, options: FleetOptions = {}): Promise<Fleet> {
    const fleet = new Fleet(options)
    try {
      for (let index = 0; index < (options.nodes ?? 3); index += 1) await fleet.join(server)
      await fleet.ready()
      if (options.hasLoad === false) return fleet
      fleet.storm()
      // Something is cached everywhere, and tokens travel.
      await fleet.untilDelivered()
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  /** One node more, which does nothing yet. */
  async join(server: { readonly port: number }, column = this.nodes.length): Promise<FleetNode> {
    const proxy = await FaultyProxy.start(server.port)
    const { redis, cache, clockOffsetsMs, isDirect = false, whenUnsure = "load", boundMs = BOUND_MS } = this.#options
    const isElsewhere = redis?.sentinels !== undefined || redis?.cluster !== undefined
    const place = isElsewhere ? {} : { url: isDirect ? `redis://127.0.0.1:${server.port}` : proxy.url }
    const child = this.#processes.start({
      column,
      remote: { redis: { ...place, ...QUICK, ...redis }, boundMs, heartbeatMs: HEARTBEAT_MS, whenUnsure },
      clockOffsetMs: clockOffsetsMs?.[column] ?? 0,
      cache: { ackTimeout: ACK_TIMEOUT_MS, prefix: PREFIX, ...cache },
    })
    const node = { ...child, proxy }
    this.nodes[column] = node
    return node
  }

  /** Kills a node, and has another do what it did. */
  async replace(index: number, server: { readonly port: number }): Promise<void> {
    const dead = this.node(index)
    this.#dead += 1
    await dead.kill()
    await dead.proxy[Symbol.asyncDispose]()
    const node = await this.join(server, index)
    await node.call("ready")
    this.#follow(node.call("storm", STORM))
  }

  async ready(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.call("ready")))
  }

  /** All nodes but those that are named by their number. */
  others(...numbers: readonly number[]): FleetNode[] {
    return this.nodes.filter((_, index) => !numbers.includes(index))
  }

  node(index: number): FleetNode {
    return this.nodes[index] as FleetNode
  }

  /** Load, until {@link finish}. */
  storm(): void {
    for (const node of this.nodes) this.#follow(node.call("storm", STORM))
    for (let index = 0; index < COURIERS; index += 1) this.#follow(this.#carry())
    this.#follow(this.#changeCold())
  }

  #follow(work: Promise<void>): void {
    this.#storms.push(
      work.catch((error: unknown) => {
        if (!this.#isOfDead(error)) this.#failure ??= error
      }),
    )
  }

  /**
   * A node hears nothing of what others change from now on; and rows that it has are changed when this resolves: if that is
   * lost, it can't know it by a doorbell.
   */
  async deafen(index: number): Promise<void> {
    const [deaf, changing] = [this.node(index), this.node((index + 1) % this.nodes.length)]
    const rows = Array.from({ length: UNHEARD_ROWS }, () => (this.#endOfCold -= 1))
    await Promise.all(rows.map((row) => deaf.call("row", row)))
    deaf.proxy.silence("toClient")
    for (const row of rows) await until(() => changing.call("change", row), { what: "an acknowledgement" })
  }

  /** From now on these nodes talk to another server. */
  moveTo(server: { readonly port: number }, nodes: readonly FleetNode[] = this.nodes): void {
    for (const { proxy } of nodes) {
      proxy.retarget(server.port)
      proxy.heal()
      proxy.cut()
    }
  }

  /** So long under load. Rejects at once when a node fails. */
  async goOn(ms: number): Promise<void> {
    const endMs = performance.now() + ms
    while (performance.now() < endMs) {
      if (this.#failure !== undefined) throw this.#failure
      await setTimeout(Math.min(50, endMs - performance.now()))
    }
  }

  /** All that was read and changed so far. */
  history(): Happening[] {
    return this.#processes.history()
  }

  /** Resolves when the tokens of all changes arrive again everywhere. */
  async untilDelivered(count = 5): Promise<void> {
    const end = this.delivered + count
    await this.#untilFine(() => this.delivered >= end, "tokens to arrive")
  }

  /** Rejects at once when a node fails. */
  async #untilFine(isReached: () => boolean, what: string): Promise<void> {
    await until(() => this.#failure !== undefined || isReached(), { what, timeoutMs: PATIENCE_MS })
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Two servers acknowledge from now on what the other does not hear of. What is acknowledged until the end of this need
   * not show elsewhere before that: it is repaired then.
   */
  split(): void {
    this.#splits.push({ fromNs: now(), untilNs: Number.POSITIVE_INFINITY })
  }

  /** Resolves when every node is told of the one log that is left, and has appended again what that lacked. */
  async heal(): Promise<void> {
    for (const node of this.nodes) await this.#settle(node)
    // A node may have told another of a new life only now.
    for (const node of this.nodes) await this.#settle(node)
    const split = this.#splits.at(-1)
    if (split !== undefined) split.untilNs = now()
  }

  /** What is done from now on is no part of the load. */
  async calm(): Promise<void> {
    this.#isCalm = true
    for (const node of this.nodes) await node.call("calm")
    await Promise.all(this.#storms.splice(0))
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Ends the load. When everything is acknowledged, each node shows each row as it is, with `sync()` and after the bound
   * also without; and nothing that was read all the time broke the promise. Then the nodes end, without an unhandled
   * rejection.
   */
  async finish({ reads = 300 }: { readonly reads?: number } = {}): Promise<Happening[]> {
    await this.#untilFine(() => readsIn(this.#processes.history()).length > reads, "reads")
    await this.calm()
    for (const node of this.nodes) {
      await until(async () => (await node.call("pending")) === 0, {
        what: "all changes to be acknowledged",
        timeoutMs: PATIENCE_MS,
      })
    }
    for (const node of this.nodes) {
      const all = Array.from({ length: ROWS }, (_, row) => row)
      // On a busy machine it may take longer than callers wait.
      const read = (row: number) => until(() => node.call("syncedRow", null, row), { what: "a node to be in step" })
      const reads = await Promise.all(all.map(read))
      const lost = all.filter((row) => String(reads[row]?.rows[row]) !== String(this.#rows.read(row)))
      expect(lost.map((row) => this.#describeLoss(row, reads[row] as Value)).join("\n")).toBe("")
    }
    const history = this.#relaxed(this.#processes.history())
    expectNothingStale(history)
    for (const node of this.nodes) {
      await node.call("close")
      await node.end()
    }
    return history
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isCalm = true
    this.#rows.close()
    await this.#processes[Symbol.asyncDispose]()
    await Promise.all(this.nodes.map(({ proxy }) => proxy[Symbol.asyncDispose]()))
  }

  /** Does not wait for the answers: a node may stand still. */
  async #changeCold(): Promise<void> {
    for (let row = HOT_ROWS; row < this.#endOfCold && !this.#isCalm; row += 1) {
      this.#follow(
        this.node(row % this.nodes.length)
          .call("change", row)
          .then(
            () => {},
            (error: unknown) => {
              if (!this.#isOfDead(error) && !this.#isOfFaults(error)) throw error
            },
          ),
      )
      await setTimeout(COLD_MS)
    }
  }

  /** Carries tokens from a node to another. */
  async #carry(): Promise<void> {
    while (!this.#isCalm) {
      const from = this.node(this.#below(this.nodes.length))
      const to = this.node(this.#below(this.nodes.length))
      const row = this.#below(HOT_ROWS)
      try {
        const token = await from.call("change", row)
        await to.call("syncedRow", token, row)
        this.delivered += 1
        await to.call("syncedRow", null, row)
      } catch (error) {
        if (!this.#isOfDead(error) && !this.#isOfFaults(error)) throw error
      }
      await setTimeout(5)
    }
  }

  /** What callers are told of a log that does not answer. */
  #isOfFaults(error: unknown): boolean {
    const { code = "" } = error as { code?: string }
    if (code === "ERR_ZOOCACHE_NOT_ACKNOWLEDGED" || code === "ERR_ZOOCACHE_SYNC_TIMEOUT") return true
    if (code === "ERR_ZOOCACHE_UNSURE") return this.#options.whenUnsure === "throw"
    // To a node of the other side it means nothing.
    return code === "ERR_ZOOCACHE_INVALID_TOKEN" && this.#splits.length > 0
  }

  /** A node was killed by the test. */
  #isOfDead(error: unknown): boolean {
    return this.#dead > 0 && String(error).includes("The process ended with SIGKILL")
  }

  async #settle(node: FleetNode): Promise<void> {
    await until(() => node.call("syncedRow", null, 0).then(() => true), {
      what: "a node to hear from the log",
      timeoutMs: PATIENCE_MS,
    })
    await until(async () => (await node.call("pending")) === 0, {
      what: "all changes to be acknowledged",
      timeoutMs: PATIENCE_MS,
    })
  }

  /** For a failed expectation: what a node shows in the end, and the last changes of it; in ms before now. */
  #describeLoss(row: number, value: Value): string {
    const ago = (ns = Number.NaN) => ((now() - ns) / 1e6).toFixed(0)
    const changes = this.#processes.history().filter((each) => each.kind === "change" && each.wrote?.row === row)
    const told = (changes as Change[]).slice(-3).map(({ by, calledNs, acknowledgedNs, token }) => {
      return `changed by ${by} ${ago(calledNs)}, acknowledged ${ago(acknowledgedNs)} with ${token}`
    })
    const splits = this.#splits.map(({ fromNs, untilNs }) => `split from ${ago(fromNs)} to ${ago(untilNs)}`)
    const shown = `row ${row} shows ${String(value.rows[row])}, loaded ${ago(value.beganNs)} as ${value.id}`
    return [`${shown}, and is ${String(this.#rows.read(row))}`, ...told, ...splits].join("; ")
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end)
  }

  #relaxed(history: readonly Happening[]): Happening[] {
    return history.map((happening) => {
      if (happening.kind !== "change" || happening.acknowledgedNs === undefined) return happening
      const { acknowledgedNs } = happening
      const split = this.#splits.find(({ fromNs, untilNs }) => fromNs <= acknowledgedNs && acknowledgedNs < untilNs)
      if (split === undefined) return happening
      const { token: _, ...change } = happening
      return { ...change, acknowledgedNs: split.untilNs }
    })
  }
}
