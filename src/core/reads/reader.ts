import { ageOf, deadlineOf, expiryOf, NEVER } from "../entries/age.js"
import type { Timer } from "../base/clock.js"
import { activeFrames, captureContext, currentFrame, type Frame, runOf, transactionOf } from "../loads/frame.js"
import type { Engine } from "../cache/engine.js"
import { type Entry, GONE, promiseOf } from "../entries/entry.js"
import { LoadCycleError, RefreshError, UnsureError } from "../base/errors.js"
import { channels } from "../base/events.js"
import { freshnessOf } from "../tags/freshness.js"
import { type Flight, findCycle, howToJoin, hurry, LateGroup } from "../loads/flight.js"
import { cloneValue, type Isolation } from "../values/isolation.js"
import type { EntryId } from "../values/id.js"
import type { Launcher } from "../loads/launcher.js"
import { needsSlot, type Order } from "../loads/request.js"
import type { WhenUnsure } from "../options/options.js"
import type { Recipe } from "../loads/recipe.js"
import type { Run } from "../loads/run.js"
import type { Intake } from "../entries/shared-tier.js"
import type { Table } from "../entries/table.js"
import type { Transaction } from "../writes/transaction.js"

/** One read that may load. */
export interface Call {
  readonly recipe: Recipe
  readonly id: EntryId
  readonly self: unknown
  readonly args: readonly unknown[]
  readonly frame: Frame | undefined
  readonly signal: AbortSignal | undefined
  /** Wants a load that begins after now. */
  readonly isFresh: boolean
  /** The answer of a shared tier that had to be waited for. */
  readonly fetched?: Fetched
}

export interface Fetched {
  readonly entry: Entry | undefined
  /** When the caller arrived, in the time of `Turn.now`. */
  readonly arrivedMs: number
}

/** An expired entry that may stand in for a load, and what ends that. */
interface Fallback {
  readonly entry: Entry
  readonly letGo: () => void
}

/** What a look at an entry says: it can be used (and how), or there is nothing to use. */
export type Look = { readonly entry: Entry; readonly age: "current" | "due" | "grace" } | undefined

/**
 * The reading side: a hit, a value in grace, a flight to join, or a new load. Uses the launcher for loads; takes no
 * decision about freshness or age itself.
 */
export class Reader {
  readonly #engine: Engine
  readonly #launcher: Launcher

  constructor(engine: Engine, launcher: Launcher) {
    this.#engine = engine
    this.#launcher = launcher
  }

  /** The entry of a key where a hit needs no closer look; undefined where it takes {@link Reader.peek} to tell. */
  quickHit(table: Table, id: EntryId): Entry | undefined {
    const entry = table.entries.get(id)
    if (entry === undefined || (activeFrames !== 0 && currentFrame() !== undefined)) return undefined
    const { turn, trie, tier } = this.#engine
    if (--turn.left < 0) turn.read()
    if (
      entry.stamp !== trie.trusted ||
      (turn.now >= entry.deadlineMs && entry.deadlineMs !== NEVER) ||
      channels.hit.hasSubscribers
    )
      return undefined
    table.counters.hits += 1
    tier?.touch(entry)
    return entry
  }

  /** Reads a key, loading it if need be. Never throws synchronously. */
  read(call: Call): Promise<unknown> {
    const engine = this.#engine
    const { recipe, id, frame, signal } = call
    const { table, behaviour } = recipe
    if (engine.isBypassed) return this.#loadDirectly(call)
    if (signal?.aborted) return Promise.reject(signal.reason)
    const run = runOf(frame, engine)
    if (frame !== undefined) noteForeign(frame, engine, table, id)
    const transaction = transactionOf(frame, engine)
    run?.inheritKey(table, id)
    const nowMs = engine.turn.arrive()
    const isUnsure = engine.trie.trusted === null
    if (isUnsure && behaviour.whenUnsure === "throw") return Promise.reject(this.#unsure(table, id))
    const written = transaction?.written(table, id)
    if (written !== undefined) {
      run?.taint()
      return Promise.resolve(written.value)
    }
    const { sizeOf, validate } = recipe.hooks
    const intake = table.isManual ? { behaviour, sizeOf, validate } : table.intake
    const { fetched } = call
    const isOfUse = !isUnsure || behaviour.whenUnsure === "serve"
    let look = call.isFresh ? undefined : this.look(table, id, nowMs, transaction, behaviour.whenUnsure, intake)
    if (look === undefined && fetched !== undefined && isOfUse) look = this.#lookAt(fetched.entry, nowMs, transaction)
    if (look !== undefined) {
      if (look.age !== "grace") return this.#hit(look.entry, run, look.age === "due" ? call : undefined)
      const mayRetry = nowMs >= (look.entry.aging?.retryAtMs ?? 0)
      if (behaviour.softTimeoutMs === 0 || !mayRetry) return this.#serveInGrace(look.entry, run, call)
    }
    if (fetched === undefined && !call.isFresh && isOfUse && engine.canFetch(table, id)) {
      return this.#fetch(call, intake, nowMs)
    }
    // Before the user's code runs, which may have memory evict it.
    const fallback = look === undefined ? undefined : this.#keepFallback(look.entry)
    this.#countMiss(table, id)
    // What a later definition has taken over is loaded for its callers alone.
    if (transaction !== undefined || table.isReplaced) {
      const cycle = ancestorCycle(table, id, frame)
      if (cycle !== undefined) return rejectCycle(cycle, fallback)
      return this.#await(this.#launcher.start(this.#order(call, true)), call, run, fallback)
    }
    return this.#join(call, run, nowMs, isUnsure, fallback)
  }

  #keepFallback(entry: Entry): Fallback {
    return { entry, letGo: this.#engine.shared?.keep(entry) ?? (() => {}) }
  }

  /** Asks the shared tier, then goes on as if the caller came anew: what has happened meanwhile counts. */
  #fetch(call: Call, intake: Intake, arrivedMs: number): Promise<unknown> {
    const { recipe, id, signal } = call
    const fetching = this.#engine.fetchShared(recipe.table, id, intake)
    const reading = fetching.then((entry) => this.read({ ...call, fetched: { entry, arrivedMs } }))
    if (signal === undefined) return reading
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason)
      signal.addEventListener("abort", onAbort, { once: true })
      reading.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort))
    })
  }

  /** What a shared tier behind a network has of these ids; only of those that are worth asking for. */
  async fetchMany<Name>(recipe: Recipe, ids: ReadonlyMap<Name, EntryId>): Promise<Map<Name, Fetched>> {
    const engine = this.#engine
    const { table, behaviour } = recipe
    const arrivedMs = engine.turn.arrive()
    const isOfUse = engine.trie.trusted !== null || behaviour.whenUnsure === "serve"
    const asked = [...ids].filter(([, id]) => isOfUse && !table.entries.has(id) && engine.canFetch(table, id))
    const asking = asked.map(([, id]) => id)
    // Those that others ask for already arrive in another turn than the rest, which could be out of date by then.
    const areTogether = !asking.some((id) => engine.shared?.isFetching(table, id) === true)
    const entries = await Promise.all(engine.fetchManyShared(table, asking, table.intake))
    const found = new Map<Name, Fetched>()
    asked.forEach(([name], index) => {
      const entry = entries[index]
      if (areTogether || (entry !== undefined && entry.slot >= 0)) found.set(name, { entry, arrivedMs })
    })
    return found
  }

  /** What is stored under a key and may be used; what may not is cleared away. */
  look(
    table: Table,
    id: EntryId,
    nowMs: number,
    transaction: Transaction | undefined,
    whenUnsure: WhenUnsure,
    intake = table.intake,
  ): Look {
    const engine = this.#engine
    if (engine.trie.trusted === null && whenUnsure !== "serve") return undefined
    const look = this.#lookAt(table.entries.get(id), nowMs, transaction)
    if (engine.shared === undefined) return look
    // Another process may have loaded what is missing or has expired here.
    if (look !== undefined && (look.age !== "grace" || nowMs < (look.entry.aging?.retryAtMs ?? 0))) return look
    const found = this.#lookAt(engine.findShared(table, id, intake), nowMs, transaction)
    // What was found has taken its place, also where this caller may not use it.
    return found ?? (look?.entry.slot === GONE ? undefined : look)
  }

  #lookAt(entry: Entry | undefined, nowMs: number, transaction: Transaction | undefined): Look {
    const engine = this.#engine
    // One that was fetched may have been removed before those who waited for it come to look.
    if (entry === undefined || entry.slot === GONE) return undefined
    if (!engine.isFresh(entry)) {
      engine.removeStale(entry)
      return undefined
    }
    if (transaction?.covers(entry) === true) return undefined
    const age = ageOf(entry, nowMs)
    // What an error has after its end is no grace: only the memory of how many there were in a row.
    if (age === "grace" && entry.isError) return undefined
    if (age === "over") {
      engine.removeExpired(entry)
      return undefined
    }
    return { entry, age }
  }

  /** A read that never loads. `isQuiet`: one that doesn't count as a use. */
  peek(
    table: Table,
    id: EntryId,
    frame: Frame | undefined,
    isQuiet = false,
    whenUnsure = this.#engine.settings.behaviour.whenUnsure,
    fetched?: Entry,
  ): { value: unknown } | undefined {
    const engine = this.#engine
    if (engine.isBypassed) return undefined
    const nowMs = engine.turn.arrive()
    const run = runOf(frame, engine)
    if (frame !== undefined) noteForeign(frame, engine, table, id)
    run?.inheritKey(table, id)
    const transaction = transactionOf(frame, engine)
    if (engine.trie.trusted === null && whenUnsure === "throw") throw this.#unsure(table, id)
    const written = transaction?.written(table, id)
    if (written !== undefined) {
      run?.taint()
      return written
    }
    let look = this.look(table, id, nowMs, transaction, whenUnsure)
    const isOfUse = engine.trie.trusted !== null || whenUnsure === "serve"
    if (look === undefined && fetched !== undefined && isOfUse) look = this.#lookAt(fetched, nowMs, transaction)
    if (look === undefined || look.age === "grace" || look.entry.isError) {
      if (!isQuiet) this.#countMiss(table, id)
      return undefined
    }
    const { entry } = look
    const value = entry.rare?.isCloned === true ? cloneIfPossible(entry.value) : entry.value
    if (!isQuiet) this.use(entry, run)
    else run?.inherit(entry.dependencies, expiryOf(entry), engine.turn.now)
    return { value }
  }

  /** A read that never loads, but asks a shared tier that has to be waited for. */
  async find(
    table: Table,
    id: EntryId,
    frame: Frame | undefined,
    isQuiet: boolean,
  ): Promise<{ value: unknown } | undefined> {
    const engine = this.#engine
    if (!engine.canFetch(table, id) || engine.isBypassed) return this.peek(table, id, frame, isQuiet)
    const { whenUnsure } = engine.settings.behaviour
    const nowMs = engine.turn.arrive()
    const mayServe = engine.trie.trusted !== null || whenUnsure === "serve"
    const stored = this.#lookAt(table.entries.get(id), nowMs, transactionOf(frame, engine))
    const isMissing = stored === undefined || (stored.age === "grace" && nowMs >= (stored.entry.aging?.retryAtMs ?? 0))
    if (!isMissing || !mayServe) return this.peek(table, id, frame, isQuiet)
    const fetched = await engine.fetchShared(table, id, table.intake)
    return this.peek(table, id, frame, isQuiet, whenUnsure, fetched)
  }

  /** For functions that answer at once: the stored value, or undefined where it must be loaded. Throws a stored error. */
  peekOrThrow(
    table: Table,
    id: EntryId,
    frame: Frame | undefined,
    whenUnsure: WhenUnsure,
  ): { value: unknown } | undefined {
    const found = this.peek(table, id, frame, false, whenUnsure)
    if (found !== undefined) return found
    const entry = table.entries.get(id)
    if (entry?.isError !== true || ageOf(entry, this.#engine.turn.now) !== "current") return undefined
    if (transactionOf(frame, this.#engine) !== undefined || !this.#engine.isFresh(entry)) return undefined
    const error = entry.value
    this.use(entry, runOf(frame, this.#engine))
    throw error
  }

  /** The expired value that may stand in for a load that failed. */
  graceAfter(recipe: Recipe, id: EntryId, error: unknown, frame: Frame | undefined): { value: unknown } | undefined {
    const engine = this.#engine
    const { table, behaviour } = recipe
    const transaction = transactionOf(frame, engine)
    const look = this.look(table, id, engine.turn.arrive(), transaction, behaviour.whenUnsure)
    if (look?.age !== "grace") return undefined
    const { entry } = look
    const value = this.isolated(entry.value, entry.rare?.isCloned === true ? "clone" : "share")
    engine.postponeRetry(table, id, entry)
    const key = table.keyOf(id)
    engine.fault(new RefreshError(key, error), key)
    this.useInGrace(entry, runOf(frame, engine))
    return { value }
  }

  /** A value for one caller. */
  isolated(value: unknown, isolation: Isolation): unknown {
    return isolation === "clone" ? cloneIfPossible(value) : value
  }

  /**
   * Counts a hit, passes on what the entry depends on, lets it slide, and tells of it: whoever listens may do anything, also
   * to this entry.
   */
  use(entry: Entry, run: Run | undefined): void {
    const engine = this.#engine
    entry.table.counters.hits += 1
    // Memory may not have kept what came from the shared tier.
    if (entry.slot >= 0) engine.tier?.touch(entry)
    const { aging } = entry
    if (aging !== null && aging.idleTtlMs !== Number.POSITIVE_INFINITY) {
      aging.idleUntilMs = engine.turn.now + aging.idleTtlMs
      engine.shared?.slide(entry)
    }
    if (run !== undefined) {
      run.inherit(entry.dependencies, expiryOf(entry), engine.turn.now)
      if (engine.trie.trusted === null) run.taint()
    }
    if (channels.hit.hasSubscribers) channels.hit.publish(engine.event(entry.table, entry.id))
  }

  /** A caller in grace: it gets the expired value, and nothing that used it may be kept. */
  useInGrace(entry: Entry, run: Run | undefined): void {
    entry.table.counters.graceHits += 1
    this.use(entry, run)
    run?.taint()
  }

  // --- hits ------------------------------------------------------------------------------------------------------

  #hit(entry: Entry, run: Run | undefined, due: Call | undefined): Promise<unknown> {
    const promise = promiseFor(entry)
    this.use(entry, run)
    if (due !== undefined && entry.aging !== null) {
      entry.aging.refreshAtMs = Number.POSITIVE_INFINITY
      if (entry.deadlineMs >= 0) entry.deadlineMs = deadlineOf(entry.aging)
      this.#refreshInBackground(due, entry)
    }
    return promise
  }

  #serveInGrace(entry: Entry, run: Run | undefined, call: Call): Promise<unknown> {
    const promise = promiseFor(entry)
    this.useInGrace(entry, run)
    if (entry.aging !== null && this.#engine.turn.now >= entry.aging.retryAtMs) this.#refreshInBackground(call, entry)
    return promise
  }

  /** Loads anew while readers go on with what there is. A failure is told as a fault: no caller sees it. */
  #refreshInBackground(call: Call, entry: Entry): void {
    const engine = this.#engine
    const { table } = call.recipe
    if (table.flights.has(call.id)) return
    if (!engine.canFetch(table, call.id) || call.fetched !== undefined) {
      this.#loadInBackground(call)
      return
    }
    // Another process may have loaded it anew.
    engine.postponeRetry(table, call.id, entry)
    void engine.fetchShared(table, call.id, table.intake).then((found) => {
      if (engine.isBypassed || table.flights.has(call.id)) return
      const nowMs = engine.turn.arrive()
      if (found !== undefined && engine.isCurrent(found, nowMs)) return
      // What was fetched has taken its place, and knows of no retries.
      engine.postponeRetry(table, call.id, table.entries.get(call.id) ?? entry)
      this.#loadInBackground(call)
    })
  }

  #loadInBackground(call: Call): void {
    const engine = this.#engine
    const { table } = call.recipe
    table.counters.refreshes += 1
    const flight = this.#launcher.start({ ...this.#order(call, false), frame: undefined, isBackground: true })
    flight.waiters += 1
    flight.outcome.promise.catch((error: unknown) => {
      engine.postponeRetry(table, call.id, table.entries.get(call.id))
      const key = table.keyOf(call.id)
      engine.fault(new RefreshError(key, error), key)
    })
  }

  // --- loads -----------------------------------------------------------------------------------------------------

  #order(call: Call, isPrivate: boolean): Order {
    const { recipe, id, self, args, frame } = call
    const failures = recipe.table.entries.get(id)?.rare?.failures ?? 0
    const { isFresh } = call
    return { recipe, id, self, args, frame, isPrivate, isFresh, isBackground: false, failures }
  }

  #join(
    call: Call,
    run: Run | undefined,
    nowMs: number,
    isUnsure: boolean,
    fallback: Fallback | undefined,
  ): Promise<unknown> {
    const engine = this.#engine
    const { recipe, id, frame } = call
    const { table } = recipe
    const flight = table.flights.get(id)
    const how =
      flight === undefined
        ? "replace"
        : howToJoin(flight, engine.trie, {
            isFresh: call.isFresh,
            unsureBoundMs: isUnsure ? engine.settings.stalenessBoundMs : undefined,
            nowMs,
          })
    if (flight === undefined || how === "replace") {
      const cycle = ancestorCycle(table, id, frame)
      if (cycle !== undefined) return rejectCycle(cycle, fallback)
      return this.#await(this.#launcher.start(this.#order(call, false)), call, run, fallback)
    }
    const waiting = runsAround(frame)
    if (waiting.length > 0) {
      const cycle = findCycle(flight, waiting)
      if (cycle !== undefined) return rejectCycle(cycle, fallback)
      if (flight.load === undefined && !needsSlot(this.#order(call, false), engine)) {
        flight.isNested = true
        flight.beginNow?.()
      }
    }
    const isHurried = waiting.some((each) => each.mayNotWait)
    if (isHurried) hurry(flight)
    if (call.isFresh && flight.load === undefined) {
      // What another node loads began before.
      flight.needsLoad = true
      flight.stopWaiting?.()
    }
    table.counters.joins += 1
    if (channels.join.hasSubscribers) channels.join.publish(engine.event(table, id))
    if (how === "share") return this.#await(flight, call, run, fallback)
    flight.late ??= this.#newGroup(flight, call)
    if (!needsSlot(this.#order(call, false), engine)) flight.late.isNested = true
    if (isHurried) flight.late.mayNotWait = true
    engine.sequence += 1
    flight.late.lastArrival = engine.sequence
    return this.#await(flight.late, call, run, fallback)
  }

  #newGroup(flight: Flight, call: Call): LateGroup {
    // The next load will begin when this one has landed, but on behalf of this caller.
    const inContext = captureContext()
    return new LateGroup(flight, (group) => inContext(() => this.#launcher.start(this.#order(call, false), group)))
  }

  /** The promise of one caller: the flight's own wherever nothing is special about the caller. */
  #await(
    waited: Flight | LateGroup,
    call: Call,
    run: Run | undefined,
    fallback: Fallback | undefined,
  ): Promise<unknown> {
    waited.waiters += 1
    const waiting = runOf(call.frame)
    const { isolation } = call.recipe.behaviour
    if (waiting === undefined && call.signal === undefined && fallback === undefined && isolation !== "clone") {
      waited.isHandedOut = true
      return waited.outcome.promise
    }
    if (run !== undefined) waited.parents.push(run)
    waiting?.waitsFor.add(waited)
    let promise = waited.outcome.promise
    if (isolation === "clone") promise = promise.then(cloneIfPossible)
    if (fallback !== undefined) {
      promise = this.#orFallback(promise, call, run, fallback.entry).finally(fallback.letGo)
    }
    if (call.signal !== undefined) promise = this.#detachable(promise, waited, call.signal)
    if (waiting === undefined) return promise
    const leave = () => waiting.waitsFor.delete(waited)
    return promise.then(
      (value) => {
        leave()
        return value
      },
      (error: unknown) => {
        leave()
        throw error
      },
    )
  }

  /** Takes the expired value when the load fails, or has not landed within the soft timeout. */
  #orFallback(promise: Promise<unknown>, call: Call, run: Run | undefined, fallback: Entry): Promise<unknown> {
    const engine = this.#engine
    const { table, behaviour } = call.recipe
    // Counted from the caller's arrival, which may have been before the shared tier was asked.
    const waitedMs = call.fetched === undefined ? 0 : engine.turn.now - call.fetched.arrivedMs
    const softTimeoutMs = Math.max(0, behaviour.softTimeoutMs - waitedMs)
    const servable = () => this.#stillServable(fallback, table, call, behaviour.whenUnsure)
    const serve = (entry: Entry) => {
      const served = promiseFor(entry)
      this.useInGrace(entry, run)
      return served
    }
    const orServe = promise.catch((error: unknown) => {
      const entry = servable()
      if (entry === undefined) throw error
      engine.postponeRetry(table, call.id, entry)
      const served = serve(entry)
      const key = table.keyOf(call.id)
      engine.fault(new RefreshError(key, error), key)
      return served
    })
    if (softTimeoutMs === Number.POSITIVE_INFINITY) return orServe
    return new Promise((resolve, reject) => {
      const timer: Timer = engine.clock.setTimer(
        () => {
          // The load goes on for whoever comes next; it was not waited for in vain.
          const entry = servable()
          if (entry !== undefined) resolve(serve(entry))
        },
        softTimeoutMs,
        // The load that it is about has a timer that does.
        false,
      )
      orServe.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  /**
   * The expired value that may still stand in for a load, if it was not invalidated meanwhile; or what has taken its
   * place, such as the same as the shared tier has it.
   */
  #stillServable(entry: Entry, table: Table, call: Call, whenUnsure: WhenUnsure): Entry | undefined {
    const engine = this.#engine
    const nowMs = engine.turn.arrive()
    const { trie } = engine
    if (trie.trusted === null && whenUnsure !== "serve") return undefined
    const transaction = transactionOf(call.frame, engine)
    const kept = table.entries.get(call.id)
    if (kept !== undefined && !kept.isError) return this.#lookAt(kept, nowMs, transaction)?.entry
    if (entry.slot === GONE || transaction?.covers(entry) === true) return undefined
    // Where memory does not keep it, marks on its own key could not remove it, nor count as a new state of the log.
    const { dependencies, keyVersion } = entry
    const stamp = { ...entry.stamp }
    const keyNode = engine.keyNodeOf(table, call.id) ?? table.keyNode
    const isStale = freshnessOf({ stamp, dependencies, keyNode, keyVersion }, trie) === "stale"
    return engine.shared !== undefined && !isStale && ageOf(entry, nowMs) !== "over" ? entry : undefined
  }

  /** Lets one caller leave; the load goes on for the others, and is told when there are none. */
  #detachable(promise: Promise<unknown>, waited: Flight | LateGroup, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        reject(signal.reason)
        waited.waiters -= 1
        if (waited instanceof LateGroup && waited.hasMoved) waited.flight.waiters -= 1
        this.#launcher.abandon(waited.flight, signal.reason)
      }
      signal.addEventListener("abort", onAbort, { once: true })
      promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort))
    })
  }

  /** Switched off or closed: the user's function and nothing else. */
  #loadDirectly(call: Call): Promise<unknown> {
    const { recipe, self, args } = call
    try {
      return Promise.resolve(recipe.load(self, args, undefined))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #countMiss(table: Table, id: EntryId): void {
    table.counters.misses += 1
    if (channels.miss.hasSubscribers) channels.miss.publish(this.#engine.event(table, id))
  }

  #unsure(table: Table, id: EntryId): UnsureError {
    const agoMs = this.#engine.client.confirmedAgoMs()
    const detail =
      agoMs === Number.POSITIVE_INFINITY
        ? "the log has not been read yet"
        : `the log was last heard ${Math.round(agoMs)} ms ago`
    return new UnsureError(table.keyOf(id), detail)
  }
}

/**
 * The runs that wait for the code of a frame, from the inside out: an outer one waits for what it called, even before
 * that has returned.
 */
function runsAround(frame: Frame | undefined): Run[] {
  const runs: Run[] = []
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.run !== undefined && !at.run.isSettled) runs.push(at.run)
  }
  return runs
}

/** Tells the run that is reading if it is another cache's. */
function noteForeign(frame: Frame, engine: Engine, table: Table, id: EntryId): void {
  const reading = runOf(frame)
  if (reading !== undefined && reading.engine !== engine) reading.useForeign(table, id)
}

function rejectCycle(cycle: readonly string[], fallback: Fallback | undefined): Promise<never> {
  fallback?.letGo()
  return Promise.reject(new LoadCycleError(cycle))
}

function promiseFor(entry: Entry): Promise<unknown> {
  if (entry.rare?.isCloned !== true) return promiseOf(entry)
  return Promise.resolve(cloneIfPossible(entry.value))
}

/** What can't be cloned was reported when it was loaded, and is not kept: callers get it as it is. */
function cloneIfPossible(value: unknown): unknown {
  try {
    return cloneValue(value)
  } catch {
    return value
  }
}

/** The path of keys from a load around the caller that is for the same key, which would then wait for itself. */
export function ancestorCycle(table: Table, id: EntryId, frame: Frame | undefined): string[] | undefined {
  const path = [table.keyOf(id)]
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.run === undefined || at.run.isSettled) continue
    if (at.run.covers(table, id)) return [table.keyOf(id), ...path]
    path.unshift(at.run.current.key)
  }
  return undefined
}
