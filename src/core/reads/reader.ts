import { LoadTimeoutError } from "../base/errors.js"
import { after, waitFor, whenAborted } from "../base/waits.js"
import { ageOf } from "../entries/age.js"
import { mayRetry } from "../entries/retries.js"
import type { Entry, Intake, Table } from "../entries/table.js"
import { asItIs } from "../loads/deferral.js"
import { type Definition, intakeOf } from "../loads/definition.js"
import { type Frame, isInTransaction } from "../loads/frame.js"
import type { Run } from "../loads/run.js"
import type { WhenUnsure } from "../options/options.js"
import type { EntryId } from "../values/id.js"
import { transactionOf } from "../writes/transaction.js"
import type { Call, Fetched } from "./call.js"
import type { ReadContext } from "./context.js"
import { Grace } from "./grace.js"
import { Joins } from "./join.js"
import { Looks } from "./look.js"
import { Lookups } from "./lookup.js"
import { inheritEntry, promiseFor, use, useInGrace, valueFor } from "./use.js"
import { beginVisit, type Visit } from "./visit.js"

/**
 * The reading side: a hit, a value in grace, a flight to join, or a new load. Takes no decision about freshness or age
 * itself.
 */
export class Reader {
  readonly looks: Looks
  readonly grace: Grace
  readonly lookups: Lookups
  readonly #context: ReadContext
  readonly #joins: Joins

  constructor(context: ReadContext) {
    this.#context = context
    this.looks = new Looks(context)
    this.grace = new Grace(context, this.looks)
    this.lookups = new Lookups(context, this.looks)
    this.#joins = new Joins(context, this.grace)
  }

  /** Calls run their loaders and nothing else: the cache is switched off, or closed. */
  get isBypassed(): boolean {
    return this.#context.lifetime.isOver || !this.#context.settings.enabled
  }

  /** Reads a key, loading it if need be. Never throws synchronously. */
  read(call: Call): Promise<unknown> {
    const { turn, trie } = this.#context
    const { definition, id, frame, signal, fetched } = call
    const { table, behaviour } = definition
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.isBypassed) return this.#loadDirectly(call)
    const visit = beginVisit(table, id, frame)
    const { run, transaction } = visit
    const nowMs = turn.arrive()
    const isUnsure = trie.trusted === null
    if (isUnsure && behaviour.whenUnsure === "throw") {
      run?.taint()
      return Promise.reject(this.looks.unsure(table, id))
    }
    const written = transaction?.written(table, id)
    if (written !== undefined) {
      run?.taint()
      return Promise.resolve(written.value)
    }
    const intake = intakeOf(definition)
    const isOfUse = this.looks.isOfUse(behaviour.whenUnsure)
    let look = call.isFresh ? undefined : this.looks.look(table, id, nowMs, transaction, behaviour.whenUnsure, intake)
    if (look === undefined && fetched !== undefined && isOfUse) {
      look = this.looks.lookAt(fetched.entry, nowMs, transaction)
    }
    if (look !== undefined) {
      const { entry, age } = look
      const mayLoad = age !== "current" && mayRetry(entry, nowMs)
      if (age !== "grace") return this.#hit(entry, run, mayLoad ? call : undefined)
      if (behaviour.softTimeoutMs === 0 || !mayLoad) return this.grace.serve(entry, run, mayLoad ? call : undefined)
    }
    if (
      fetched === undefined &&
      !call.isFresh &&
      isOfUse &&
      this.looks.canFetch(table, id, look === undefined, intake)
    ) {
      return this.#fetch(call, intake, nowMs)
    }
    // Before the user's code runs, which may have memory evict it.
    const fallback = look === undefined ? undefined : this.grace.fallback(look.entry)
    this.looks.countMiss(table, id)
    // A function that a later definition has taken over is loaded for its callers alone, and so is what may see rows that a
    // transaction of any cache has not committed.
    try {
      if (table.isReplaced || isInTransaction(frame)) return this.#joins.alone(call, visit, fallback)
      return this.#joins.join(call, visit, nowMs, isUnsure, fallback)
    } catch (error) {
      fallback?.letGo()
      throw error
    }
  }

  /** The entries that a shared tier behind a network has of these ids; only of those that are worth asking for. */
  async fetchMany<Name>(definition: Definition, ids: ReadonlyMap<Name, EntryId>): Promise<Map<Name, Fetched>> {
    const { turn, shared } = this.#context
    const { table, behaviour } = definition
    const found = new Map<Name, Fetched>()
    if (shared === undefined) return found
    const arrivedMs = turn.arrive()
    const isOfUse = this.looks.isOfUse(behaviour.whenUnsure)
    const asked = [...ids].filter(([, id]) => isOfUse && !table.entries.has(id) && this.looks.canFetch(table, id))
    const asking = asked.map(([, id]) => id)
    // Entries that others ask for already arrive in another turn than the rest, which could be out of date by then.
    const areTogether = !asking.some((id) => shared.isFetching(table, id))
    const entries = await Promise.all(shared.fetchMany(table, asking, table.intake))
    asked.forEach(([name], index) => {
      const entry = entries[index]
      if (areTogether || (entry !== undefined && entry.slot >= 0)) found.set(name, { entry, arrivedMs })
    })
    return found
  }

  /** A read that never loads. `isQuiet`: one that doesn't count as a use. Throws `UnsureError` where that is wanted. */
  peek(
    table: Table,
    id: EntryId,
    frame: Frame | undefined,
    isQuiet = false,
    whenUnsure = this.#context.settings.behaviour.whenUnsure,
    fetched?: Entry,
  ): { value: unknown } | undefined {
    if (this.isBypassed) return undefined
    const how = { isQuiet, servesGrace: false }
    return this.#peek(table, id, beginVisit(table, id, frame), how, whenUnsure, fetched)
  }

  /** A read that never loads, but asks a shared tier that has to be waited for. */
  async find(
    table: Table,
    id: EntryId,
    frame: Frame | undefined,
    isQuiet: boolean,
  ): Promise<{ value: unknown } | undefined> {
    const { settings, turn, trie, shared } = this.#context
    if (shared === undefined || !this.looks.canFetch(table, id, !table.entries.has(id)) || this.isBypassed) {
      return this.peek(table, id, frame, isQuiet)
    }
    const { whenUnsure } = settings.behaviour
    const nowMs = turn.arrive()
    const stored = this.looks.lookAt(table.entries.get(id), nowMs, transactionOf(frame, trie))
    const isMissing = stored === undefined || (stored.age === "grace" && mayRetry(stored.entry, nowMs))
    if (!isMissing || !this.looks.isOfUse(whenUnsure)) return this.peek(table, id, frame, isQuiet)
    const fetched = await shared.fetch(table, id, table.intake)
    return this.peek(table, id, frame, isQuiet, whenUnsure, fetched)
  }

  /**
   * For functions that answer at once: the stored value, or undefined where it must be loaded. An expired one in grace after a
   * load that failed, until it is time for the next. Throws a stored error.
   */
  peekOrThrow(table: Table, id: EntryId, visit: Visit, whenUnsure: WhenUnsure): { value: unknown } | undefined {
    const found = this.#peek(table, id, visit, { isQuiet: false, servesGrace: true }, whenUnsure)
    if (found !== undefined) return found
    const { turn, entries } = this.#context
    const entry = table.entries.get(id)
    if (entry?.isError !== true || ageOf(entry, turn.now) !== "current") return undefined
    if (visit.transaction !== undefined || !entries.isFresh(entry)) return undefined
    const error = entry.value
    use(this.#context, entry, visit.run)
    throw error
  }

  #peek(
    table: Table,
    id: EntryId,
    { run, transaction }: Visit,
    { isQuiet, servesGrace }: { readonly isQuiet: boolean; readonly servesGrace: boolean },
    whenUnsure: WhenUnsure,
    fetched?: Entry,
  ): { value: unknown } | undefined {
    const { turn, trie } = this.#context
    const nowMs = turn.arrive()
    if (trie.trusted === null && whenUnsure === "throw") {
      // A load that goes on without the value has seen the state of this process, and nothing of the source.
      run?.taint()
      throw this.looks.unsure(table, id)
    }
    const written = transaction?.written(table, id)
    if (written !== undefined) {
      run?.taint()
      return written
    }
    let look = this.looks.look(table, id, nowMs, transaction, whenUnsure)
    if (look === undefined && fetched !== undefined && this.looks.isOfUse(whenUnsure)) {
      look = this.looks.lookAt(fetched, nowMs, transaction)
    }
    if (servesGrace && look?.age === "grace" && !mayRetry(look.entry, nowMs)) {
      const value = valueFor(look.entry)
      useInGrace(this.#context, look.entry, run)
      return { value }
    }
    if (look === undefined || look.age === "grace" || look.entry.isError) {
      // What was deleted inside is there again if the transaction fails.
      if (transaction?.hasChanges === true) run?.taint()
      if (!isQuiet) this.looks.countMiss(table, id)
      return undefined
    }
    const { entry } = look
    const value = valueFor(entry)
    if (isQuiet) inheritEntry(this.#context, entry, run)
    else use(this.#context, entry, run)
    return { value }
  }

  /** Asks the shared tier, then goes on as if the caller came anew: what has happened meanwhile counts. */
  #fetch(call: Call, intake: Intake, arrivedMs: number): Promise<unknown> {
    const { definition, id, signal } = call
    const waiting = asItIs(call)
    const fetching = this.#context.shared?.fetch(definition.table, id, intake) ?? Promise.resolve(undefined)
    const reading = fetching.then((entry) => this.read({ ...waiting, fetched: { entry, arrivedMs } }))
    return signal === undefined ? reading : waitFor(reading, whenAborted(signal))
  }

  /** Switched off or closed: the user's function, its timeout and the caller's signal, and nothing else. */
  #loadDirectly({ definition, id, self, args, signal }: Call): Promise<unknown> {
    const { clock, lifetime } = this.#context
    const { table, behaviour, load } = definition
    const { hardTimeoutMs } = behaviour
    let loading: Promise<unknown>
    try {
      loading = Promise.resolve(load(self, args, undefined))
    } catch (error) {
      return Promise.reject(error)
    }
    const isBounded = hardTimeoutMs !== Number.POSITIVE_INFINITY
    if (!isBounded) return signal === undefined ? loading : waitFor(loading, whenAborted(signal))
    const timeOut = () => {
      throw new LoadTimeoutError(table.keyOf(id), hardTimeoutMs)
    }
    return waitFor(loading, after(clock, hardTimeoutMs, !lifetime.isOver, timeOut), whenAborted(signal))
  }

  #hit(entry: Entry, run: Run | undefined, due: Call | undefined): Promise<unknown> {
    const promise = promiseFor(entry)
    use(this.#context, entry, run)
    if (due !== undefined) this.grace.refresh(due, entry)
    return promise
  }
}
