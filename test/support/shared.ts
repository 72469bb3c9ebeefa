import type { Cache, CacheOptions, FunctionOptions } from "zoocache"
import {
  type AppendReply,
  type Epoch,
  InProcessLog,
  type LogChange,
  type LogPosition,
  type PullReply,
  type RemoteLog,
} from "zoocache/backend"
import { createCodec } from "zoocache/codec"
import { ManualClock, MemoryStore, settled } from "zoocache/testing"
import { type Bench, makeCache } from "./caches.js"

/** A log as LMDB offers it: appends take their time, and everyone may look at the newest state at once. */
export class LookedAtLog implements RemoteLog {
  readonly local = false
  readonly endsAppends = true
  looks = 0
  /** Thrown by each look while it is set. */
  failure: Error | undefined
  /** Where there is more, looks do not bring it. */
  mostLookedAt = Number.POSITIVE_INFINITY
  pulls = 0
  readonly #log: InProcessLog
  readonly #held: (() => void)[] = []
  #isHolding = false

  constructor(log: InProcessLog) {
    this.#log = log
  }

  /** Appends wait until {@link release}. */
  hold(): void {
    this.#isHolding = true
  }

  release(order: "forwards" | "backwards" = "forwards"): void {
    this.#isHolding = false
    const held = this.#held.splice(0)
    for (const go of order === "forwards" ? held : held.reverse()) go()
  }

  async append(changes: readonly LogChange[], position: LogPosition, origin: string): Promise<AppendReply> {
    // What another process says comes through the event loop.
    await settled()
    if (this.#isHolding) await new Promise<void>((go) => this.#held.push(go))
    return this.#log.append(changes, position, origin)
  }

  async pull(position: LogPosition): Promise<PullReply> {
    this.pulls += 1
    return this.#log.pull(position)
  }

  look(position: LogPosition): PullReply | "behind" | undefined {
    this.looks += 1
    if (this.failure !== undefined) throw this.failure
    const reply = this.#log.pull(position)
    const isCurrent = isSame(position.epoch, reply.epoch) && reply.head === position.cursor
    if (isCurrent) return undefined
    return reply.changes.length > this.mostLookedAt ? "behind" : reply
  }

  listen(): () => void {
    return () => {}
  }

  async close(): Promise<void> {}
}

function isSame(a: Epoch | undefined, b: Epoch): boolean {
  return a !== undefined && a.ordinal === b.ordinal && a.nonce === b.nonce
}

export interface Node extends Bench {
  readonly log: LookedAtLog
}

/** Several caches over one log and one store, as processes of one machine have them. */
export class Machine {
  readonly clock = new ManualClock()
  readonly data = new Map<string, Uint8Array>()
  readonly codec = createCodec()
  readonly #log: InProcessLog

  constructor(maxTags = 1000) {
    this.#log = new InProcessLog({ clock: this.clock, nonce: "machine", maxTags })
  }

  /** What another process appends, all at once: as it is for one that only looks at the log. */
  append(...changes: LogChange[]): void {
    this.#log.append(changes, { epoch: undefined, cursor: 0 }, "another process")
  }

  lookedAt(): LookedAtLog {
    return new LookedAtLog(this.#log)
  }

  async join(options: CacheOptions = {}): Promise<Node> {
    const log = this.lookedAt()
    const store = new MemoryStore({ codec: this.codec, data: this.data })
    const bench = makeCache({ log, store, codec: this.codec, ...options, clock: this.clock })
    await bench.cache.ready()
    return { ...bench, log }
  }
}

/** A function of one id that returns what its row says, and counts how often it was asked. */
export function rowsOf(cache: Cache, rows: Map<number, unknown>, options: FunctionOptions<[id: number], unknown> = {}) {
  const counter = { loads: 0, fail: false, before: async (): Promise<void> => {} }
  const read = cache.cacheable(
    async (id: number): Promise<unknown> => {
      counter.loads += 1
      await counter.before()
      if (counter.fail) throw new Error("the source is down")
      return rows.get(id)
    },
    { name: "row", deps: (id) => [`row:${id}`], ...options },
  )
  return Object.assign(counter, { read })
}
