import { createHook } from "node:async_hooks"
import { subscribe } from "node:diagnostics_channel"
import { setImmediate, setTimeout } from "node:timers/promises"
import { addDeps, type Cache } from "zoocache"
import { type Change, type Happening, type Read, tableOf, type Value } from "./history.js"
import type { Rows, RowsShape } from "./rows.js"

/** Nanoseconds of the machine's monotonic clock: the same for all processes. */
export function now(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e9 + nanoseconds
}

export interface StationOptions {
  readonly cache: Cache
  readonly rows: Rows
  readonly shape: RowsShape
  /** Unique among all processes and threads that ever write this history. */
  readonly by: string
  readonly column: number
  readonly random: () => number
  readonly record: (happening: Happening) => void
  /** Its loads take no time beyond what they have to. */
  readonly isQuick: boolean
  /** For a log behind a network: `staleness.bound`. What others changed before that has to show, and the rest may. */
  readonly boundNs?: number | undefined
  /** What the cache does there while it is unsure. */
  readonly whenUnsure?: "load" | "serve" | "throw" | undefined
}

export interface StormOptions {
  /** How many things are done; without it, the storm goes on until the process ends. */
  readonly steps?: number
  /** How many of them at the same time. */
  readonly visitors: number
  /** `"writes"`: mostly changes, for crashes in the middle of one. */
  readonly mix?: "reads" | "writes"
  /** Changes may stay unacknowledged: this process or the one that holds the lock is stopped for longer than that takes. */
  readonly mayWaitInVain?: boolean
  /** For how long each visitor rests after each thing done. */
  readonly restMs?: number
  /**
   * Only so many rows, the first, are changed: a change that is lost on one of them soon has a successor that hides it. The
   * others are changed by whoever tests, once.
   */
  readonly hotRows?: number
}

/** For how long a cache may go on without looking whether others have changed something. */
const LONGEST_LOOK_NS = 5e6
/** How old a flight may be that a process joins while it can't tell whether it is up to date: `staleness.bound`. */
const BOUND_NS = 5e9

/** When the event loop last called something: what the cache has looked at since may be as old as that, and not older. */
let callbackNs = now()
const callbacks = new Set<number>()
/** Promise jobs, ticks, and code that is run in another context, as the library does, begin none. */
const WITHIN_A_CALLBACK = /^(?:PROMISE|TickObject|Microtask|ZOOCACHE|bound-.*)$/
createHook({
  init: (id, type) => {
    if (!WITHIN_A_CALLBACK.test(type)) callbacks.add(id)
  },
  before: (id) => {
    if (callbacks.has(id)) callbackNs = now()
  },
  destroy: (id) => {
    callbacks.delete(id)
  },
}).enable()

/** One process' part: cached functions over the rows, and what it does with them, all of it written down. */
export class Station {
  readonly cache: Cache
  readonly loads = { count: 0 }
  refused = 0
  readonly #options: StationOptions
  readonly #row
  readonly #pair
  readonly #page
  readonly #rowSync
  /** Loads of these rows wait until the gate is opened. */
  readonly #gates = new Map<number, Gate>()
  readonly #begun = new Map<number, Promise<Value>>()
  #isCalm = false
  /** Until when the cache was unsure; Infinity while it is. */
  #unsureUntilNs: number

  constructor(options: StationOptions) {
    this.#options = options
    const { cache } = options
    this.cache = cache
    this.#unsureUntilNs = cache.status().state === "ready" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
    subscribe("zoocache:state", (event) => {
      this.#unsureUntilNs = (event as { state: string }).state === "ready" ? now() : Number.POSITIVE_INFINITY
    })
    this.#row = cache.cacheable((row: number) => this.#load([row]), { name: "row", deps: tagsOf })
    this.#rowSync =
      options.boundNs === undefined
        ? cache.cacheableSync((row: number) => this.#loadNow([row]), { name: "rowSync", deps: tagsOf })
        : undefined
    this.#pair = cache.cacheable(
      async (one: number, other: number) => {
        const value = this.#begin()
        const used: Record<string, number> = {}
        const use = (row: number) => {
          const called = this.#row(row)
          used[this.#row.keyOf(row)] ??= now()
          return called
        }
        const first = await use(one)
        await this.#pause()
        const second = await use(other)
        return { ...value, used, rows: { ...first.rows, ...second.rows } }
      },
      { name: "pair" },
    )
    this.#page = cache.cacheable(
      async (first: number) => {
        const rows = [first, (first + 1) % options.shape.rows]
        const value = await this.#load(rows)
        // At the end, when what is depended on may have changed long ago.
        for (const row of rows) addDeps(...tagsOf(row))
        return value
      },
      { name: "page" },
    )
  }

  // --- reads -----------------------------------------------------------------------------------------------------

  async row(row: number): Promise<Value> {
    const moment = this.#moment()
    const value = await this.#row(row)
    return this.#read({ ...moment, what: `row(${row})`, tags: tagsOf(row), key: this.#row.keyOf(row) }, value)
  }

  /** Loads it anew, whatever there is. */
  async refresh(row: number): Promise<Value> {
    const moment = this.#moment()
    const value = await this.#row.refresh(row)
    return this.#read({ ...moment, what: `refresh(${row})`, tags: tagsOf(row), key: this.#row.keyOf(row) }, value)
  }

  rowSync(row: number): Value {
    if (this.#rowSync === undefined) throw new Error("What is behind a network has to be waited for")
    const moment = this.#moment()
    const value = this.#rowSync(row)
    return this.#read({ ...moment, what: `rowSync(${row})`, tags: tagsOf(row), key: this.#rowSync.keyOf(row) }, value)
  }

  async pair(one: number, other: number): Promise<Value> {
    const moment = this.#moment()
    const value = await this.#pair(one, other)
    const tags = [...tagsOf(one), ...tagsOf(other)]
    return this.#read({ ...moment, what: `pair(${one}, ${other})`, tags, key: this.#pair.keyOf(one, other) }, value)
  }

  async page(first: number): Promise<Value> {
    const moment = this.#moment()
    const value = await this.#page(first)
    const tags = Object.keys(value.rows).flatMap((row) => tagsOf(Number(row)))
    return this.#read({ ...moment, what: `page(${first})`, tags, key: this.#page.keyOf(first) }, value)
  }

  /** Reads a row after `sync`: with a token it shows that change and what was before, without one all there was. */
  async syncedRow(token: string | undefined, row: number): Promise<Value> {
    const calledNs = now()
    const boundNs = this.#boundNs()
    await this.cache.sync(token)
    const startedNs = now()
    const value = await this.#row(row)
    const knows = token === undefined ? { arrivedNs: calledNs } : { arrivedNs: calledNs - boundNs, presents: token }
    const read = { startedNs, ...knows, what: `syncedRow(${row})`, tags: tagsOf(row), key: this.#row.keyOf(row) }
    return this.#read(read, value)
  }

  // --- writes ----------------------------------------------------------------------------------------------------

  /** Writes a row and invalidates it. Resolves with the token when that is acknowledged. */
  change(row: number): Promise<string> {
    const count = this.#options.rows.write(row, this.#options.column)
    const wrote = { row, column: this.#options.column, count }
    return this.#make({ subject: { tag: `row:${row}` }, wrote }, () => this.cache.invalidate(`row:${row}`))
  }

  /** Invalidates all rows. */
  changeAll(): Promise<string> {
    return this.#make({ subject: { tag: "row" } }, () => this.cache.invalidate("row"))
  }

  delete(row: number): Promise<string> {
    return this.#make({ subject: { key: this.#row.keyOf(row) } }, () => this.#row.delete(row))
  }

  /** Clears one of the functions. */
  clear(row: number): Promise<string> {
    const cached = row % 2 === 0 ? this.#row : this.#page
    return this.#make({ subject: { table: tableOf(cached.keyOf(row)) } }, () => cached.clear())
  }

  /** What it expires is loaded anew, but nobody is promised when: not written down. */
  async expire(row: number): Promise<void> {
    await this.cache.expire(`row:${row}`)
  }

  /** Writes two rows and invalidates them together, when all is done. */
  async changeTogether(one: number, other: number): Promise<void> {
    const { rows, column, by, record } = this.#options
    const changes = new Map<number, Omit<Change, "heldNs">>()
    const changed = this.cache.transaction(async () => {
      for (const row of [one, other]) {
        const wrote = { row, column, count: rows.write(row, column) }
        await this.cache.invalidate(`row:${row}`)
        changes.set(row, { kind: "change", by, subject: { tag: `row:${row}` }, wrote, calledNs: now() })
        await this.#pause()
      }
    })
    try {
      await changed
      const heldNs = now()
      for (const change of changes.values()) record({ ...change, heldNs, acknowledgedNs: heldNs })
    } catch (error) {
      for (const change of changes.values()) record({ ...change, heldNs: now() })
      throw error
    }
  }

  /** Puts a row into the cache by hand. */
  async set(row: number): Promise<void> {
    const asOf = this.cache.position()
    const value: Value = { ...(await this.#load([row])), isSet: true }
    const key = this.#row.keyOf(row)
    await this.#make({ subject: { key }, valueId: value.id }, () => {
      return this.#row.prime([row], value, { asOf })
    })
  }

  // --- loads that take as long as they are told --------------------------------------------------------------------

  /** Reads a row whose load has read the row and then waits. */
  async begin(row: number): Promise<void> {
    const gate = new Gate()
    this.#gates.set(row, gate)
    this.#begun.set(row, this.row(row))
    await gate.reached
  }

  /** Lets it end. */
  async finish(row: number): Promise<Value> {
    this.#gates.get(row)?.open()
    this.#gates.delete(row)
    return await (this.#begun.get(row) as Promise<Value>)
  }

  // --- all at once -------------------------------------------------------------------------------------------------

  /** Does random things. Rejects with the first that fails. */
  async storm(options: StormOptions): Promise<void> {
    const { steps = Number.POSITIVE_INFINITY, visitors, mix = "reads", mayWaitInVain = false } = options
    let left = steps
    const visit = async () => {
      while (left > 0 && !this.#isCalm) {
        left -= 1
        const step = options.hotRows === undefined ? this.#step(mix) : this.#stepHot(options.hotRows)
        await step.catch((error: { code?: string }) => {
          if (this.#options.whenUnsure === "throw" && error.code === "ERR_ZOOCACHE_UNSURE") this.refused += 1
          else if (!mayWaitInVain || error.code !== "ERR_ZOOCACHE_NOT_ACKNOWLEDGED") throw error
        })
        await this.#pause()
        if (options.restMs !== undefined) await setTimeout(options.restMs)
      }
    }
    await Promise.all(Array.from({ length: visitors }, visit))
  }

  /** Ends all storms: none begins anything more. */
  calm(): void {
    this.#isCalm = true
  }

  /** Reads any row, but changes only some. */
  async #stepHot(hotRows: number): Promise<void> {
    const { random, shape } = this.#options
    const row = Math.floor(random() * shape.rows)
    const hot = row % hotRows
    const dice = random()
    if (dice < 0.06) await this.change(hot)
    else if (dice < 0.08) await this.set(hot)
    else if (dice < 0.09) await this.delete(hot)
    else if (dice < 0.2) await this.page(row)
    else if (dice < 0.3) await this.pair(row, (row + 3) % shape.rows)
    else await this.row(row)
  }

  async #step(mix: "reads" | "writes"): Promise<void> {
    const { random, shape } = this.#options
    const row = Math.floor(random() * shape.rows)
    const often = mix === "writes" ? 10 : 1
    const acts: readonly (readonly [share: number, act: () => unknown])[] = [
      [0.06 * often, () => this.change(row)],
      [0.02 * often, () => this.set(row)],
      [0.01 * often, () => this.delete(row)],
      [0.001 * often, () => this.changeAll()],
      [0.002 * often, () => this.clear(row)],
      [0.005 * often, () => this.expire(row)],
      [0.005 * often, () => this.changeTogether(row, (row + 5) % shape.rows)],
      [0.02, () => this.refresh(row)],
      [0.1, () => (this.#rowSync === undefined ? this.row(row) : this.rowSync(row))],
      [0.1, () => this.page(row)],
      [0.12, () => this.pair(row, (row + 3) % shape.rows)],
    ]
    let dice = random()
    for (const [share, act] of acts) {
      dice -= share
      if (dice >= 0) continue
      await act()
      return
    }
    await this.row(row)
  }

  // --- the rim -----------------------------------------------------------------------------------------------------

  async #load(rows: readonly number[]): Promise<Value> {
    const value = this.#begin()
    await this.#pause()
    const read = this.#readRows(rows)
    for (const row of rows) await this.#gates.get(row)?.pass()
    await this.#pause()
    return { ...value, rows: read }
  }

  #loadNow(rows: readonly number[]): Value {
    return { ...this.#begin(), rows: this.#readRows(rows) }
  }

  /** To be called first in a loader: the cache has just noted where in the order of changes it is. */
  #begin(): Value {
    const beganNs = now()
    this.loads.count += 1
    return { id: `${this.#options.by}/${this.loads.count}`, beganNs, rows: {} }
  }

  #readRows(rows: readonly number[]): Value["rows"] {
    return Object.fromEntries(rows.map((row) => [row, this.#options.rows.read(row)]))
  }

  /** Nothing, a turn of the event loop, or some milliseconds: what a database may take. */
  async #pause(): Promise<void> {
    const dice = this.#options.random()
    if (this.#options.isQuick || dice < 0.4) return
    if (dice < 0.9) await setImmediate()
    else await setTimeout(dice * 3)
  }

  /**
   * A read knows what had been acknowledged when the callback began that it is made in, and 5 ms ago; where the process is
   * unsure, what had been before the bound. Where news come through a network that is so at all times.
   */
  #moment(): Pick<Read, "startedNs" | "arrivedNs"> {
    const startedNs = now()
    if (this.#options.boundNs !== undefined) {
      return { startedNs, arrivedNs: Math.min(callbackNs, startedNs) - this.#boundNs() }
    }
    return { startedNs, arrivedNs: Math.max(callbackNs, startedNs - LONGEST_LOOK_NS) }
  }

  /** What others changed longer ago has to show, behind a network. Who serves all the same knows what was confirmed last. */
  #boundNs(): number {
    const { boundNs = 0, whenUnsure } = this.#options
    if (whenUnsure !== "serve") return boundNs
    // JSON knows no infinity, which it is before the first confirmation.
    return Math.max(boundNs, Math.min(this.cache.status().confirmedAgoMs, 1e6) * 1e6)
  }

  /** Counts as the begin of another callback: it knows what had been acknowledged by now. */
  hasHeard(): void {
    callbackNs = now()
  }

  #read(read: Omit<Read, "kind" | "by" | "value">, value: Value): Value {
    const isUnsure = this.#options.boundNs === undefined && this.#unsureUntilNs >= read.startedNs
    const arrivedNs = isUnsure ? Math.min(read.arrivedNs, read.startedNs - BOUND_NS) : read.arrivedNs
    if ((value as Value | undefined) === undefined) throw new Error(`${read.what} gave nothing`)
    this.#options.record({ kind: "read", by: this.#options.by, ...read, arrivedNs, value })
    return value
  }

  async #make(
    change: Pick<Change, "subject" | "wrote" | "valueId">,
    call: () => Promise<string | undefined>,
  ): Promise<string> {
    const calledNs = now()
    const called = call()
    const made = { kind: "change", by: this.#options.by, ...change, calledNs, heldNs: now() } as const
    try {
      // Outside of transactions there is one.
      const token = (await called) as string
      this.#options.record({ ...made, acknowledgedNs: now(), token })
      return token
    } catch (error) {
      this.#options.record(made)
      throw error
    }
  }
}

function tagsOf(row: number): string[] {
  return [`row:${row}`]
}

/** Where a load waits. */
class Gate {
  readonly reached: Promise<void>
  #reach!: () => void
  readonly #opened: Promise<void>
  open!: () => void

  constructor() {
    this.reached = new Promise((resolve) => (this.#reach = resolve))
    this.#opened = new Promise((resolve) => (this.open = resolve))
  }

  async pass(): Promise<void> {
    this.#reach()
    await this.#opened
  }
}
