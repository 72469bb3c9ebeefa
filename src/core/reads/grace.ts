import { RefreshError } from "../base/errors.js"
import { after, waitFor } from "../base/waits.js"
import { ageOf } from "../entries/age.js"
import { postpone, RETRY_MS } from "../entries/retries.js"
import type { SharedTier } from "../entries/shared-tier.js"
import { type Entry, GONE, type Table } from "../entries/table.js"
import { asItIs } from "../loads/deferral.js"
import { type Definition, intakeOf } from "../loads/definition.js"
import type { Run } from "../loads/run.js"
import type { WhenUnsure } from "../options/options.js"
import { freshnessOf } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import { transactionOf } from "../writes/transaction.js"
import { type Call, requestFor } from "./call.js"
import type { ReadContext } from "./context.js"
import type { Looks } from "./look.js"
import { untilDone } from "./until-done.js"
import { isolated, promiseFor, useInGrace } from "./use.js"
import type { Visit } from "./visit.js"

/** An expired entry that may stand in for a load, and what ends that. */
export interface Fallback {
  readonly entry: Entry
  /** Twice is fine. */
  readonly letGo: () => void
}

/** Values that are served although their time is over: while they are loaded anew, or because that fails. */
export class Grace {
  readonly #context: ReadContext
  readonly #looks: Looks

  constructor(context: ReadContext, looks: Looks) {
    this.#context = context
    this.#looks = looks
  }

  /** Keeps an entry of use while its load is waited for, whatever memory does. */
  fallback(entry: Entry): Fallback {
    let letGo = this.#context.held?.keep(entry)
    return {
      entry,
      letGo: () => {
        letGo?.()
        letGo = undefined
      },
    }
  }

  /** @param due the call where it is time to load anew. */
  serve(entry: Entry, run: Run | undefined, due: Call | undefined): Promise<unknown> {
    const promise = promiseFor(entry)
    useInGrace(this.#context, entry, run)
    if (due !== undefined) this.refresh(due, entry)
    return promise
  }

  /** Loads anew while readers go on with what there is. A failure is told as a fault: no caller sees it. */
  refresh(call: Call, entry: Entry): void {
    const { running, shared, turn } = this.#context
    const { table } = call.definition
    const nowMs = turn.current()
    if (running.flightOf(table, call.id) !== undefined) {
      postpone(entry, nowMs + RETRY_MS)
      return
    }
    if (shared === undefined) {
      postpone(entry, nowMs + RETRY_MS)
      this.#goesOn(this.#load(call))
      return
    }
    const key = table.keyOf(call.id)
    const retryAtMs = shared.retries.atMs(key, nowMs)
    if (nowMs < retryAtMs) {
      postpone(entry, retryAtMs)
      return
    }
    // Before the shared tier is asked: what it has is taken in with this time.
    postpone(entry, nowMs + RETRY_MS)
    shared.retries.postpone(key, nowMs)
    this.#refreshShared(call, shared)
  }

  /** Another process may have loaded it anew. */
  #refreshShared(asked: Call, shared: SharedTier): void {
    const call = asItIs(asked)
    const { running, lifetime, settings, turn, entries } = this.#context
    const { table } = call.definition
    const intake = intakeOf(call.definition)
    const loadUnlessFound = (found: Entry | undefined): Promise<void> | undefined => {
      if (running.flightOf(table, call.id) !== undefined) return undefined
      const nowMs = turn.arrive()
      if (found === undefined || !entries.isCurrent(found, nowMs)) return this.#load(call)
      shared.retries.renewed(table.keyOf(call.id))
      postpone(found, nowMs)
      return undefined
    }
    if (call.fetched !== undefined) this.#goesOn(this.#load(call))
    else if (!this.#looks.canFetch(table, call.id, true, intake)) {
      this.#goesOn(loadUnlessFound(this.#looks.findShared(table, call.id, intake)))
    } else {
      const fetching = shared.fetch(table, call.id, intake).then((found) => {
        return lifetime.isOver || !settings.enabled ? undefined : loadUnlessFound(found)
      })
      this.#goesOn(fetching)
    }
  }

  /** Whoever keeps the process alive hears of a refresh: what it loads, and what that stores. */
  #goesOn(refreshing: Promise<unknown> | undefined): void {
    if (refreshing !== undefined) this.#context.background.add(refreshing)
  }

  /** The expired value that may stand in for a load that failed. */
  after(definition: Definition, id: EntryId, error: unknown, visit: Visit): { value: unknown } | undefined {
    const { turn } = this.#context
    const { table, behaviour } = definition
    const look = this.#looks.look(table, id, turn.arrive(), visit.transaction, behaviour.whenUnsure)
    if (look?.age !== "grace") return undefined
    const { entry } = look
    const value = isolated(entry.value, entry.rare?.isCloned === true ? "clone" : "share")
    this.#postponeAfterFailure(table, id, entry)
    this.#tellFailure(table, id, error)
    useInGrace(this.#context, entry, visit.run)
    return { value }
  }

  /** Takes the expired value when the load fails, or has not landed within the soft timeout. */
  orFallback(
    promise: Promise<unknown>,
    call: Call,
    run: Run | undefined,
    { entry: fallback, letGo }: Fallback,
  ): Promise<unknown> {
    const { turn, clock, running } = this.#context
    const { table, behaviour } = call.definition
    const flight = running.flightOf(table, call.id)
    if (flight !== undefined) this.#looks.noteStandIn(flight)
    // Counted from the caller's arrival, which may have been before the shared tier was asked.
    const waitedMs = call.fetched === undefined ? 0 : turn.now - call.fetched.arrivedMs
    const softTimeoutMs = Math.max(0, behaviour.softTimeoutMs - waitedMs)
    const servable = () => this.#stillServable(fallback, table, call, behaviour.whenUnsure)
    const serve = (entry: Entry) => {
      const served = promiseFor(entry)
      useInGrace(this.#context, entry, run)
      return served
    }
    const orServe = promise.catch((error: unknown) => {
      const entry = servable()
      if (entry === undefined) throw error
      this.#postponeAfterFailure(table, call.id, entry)
      const served = serve(entry)
      this.#tellFailure(table, call.id, error)
      return served
    })
    const isBounded = softTimeoutMs !== Number.POSITIVE_INFINITY
    // The load, which has a timer of its own, is waited for after all where nothing may be served any more.
    const orInTime = isBounded
      ? waitFor(
          orServe,
          after(clock, softTimeoutMs, false, () => {
            const entry = servable()
            return entry === undefined ? orServe : serve(entry)
          }),
        )
      : orServe
    return orInTime.finally(letGo)
  }

  /** Resolves when it is loaded and stored; never rejects. */
  #load(call: Call): Promise<void> {
    const { launcher, background, shared } = this.#context
    const { table } = call.definition
    table.counters.refreshes += 1
    const flight = launcher.prepare({ ...requestFor(call, false), frame: undefined, isBackground: true })
    flight.waiters += 1
    this.#looks.noteStandIn(flight)
    launcher.begin(flight)
    flight.outcome.promise.catch((error: unknown) => {
      // A newer word on the key ages by itself.
      if (flight.load?.isSuperseded !== true) {
        this.#postponeAfterFailure(table, call.id, table.entries.get(call.id))
      }
      this.#tellFailure(table, call.id, error)
    })
    return background.isWanted ? untilDone(flight.outcome.promise, flight, shared) : Promise.resolve()
  }

  /** The next load waits, unless there is another value by now. */
  #postponeAfterFailure(table: Table, id: EntryId, entry: Entry | undefined): void {
    const { turn, shared } = this.#context
    const nowMs = turn.current()
    if (entry !== undefined) {
      if (ageOf(entry, nowMs) === "current") return
      postpone(entry, nowMs + RETRY_MS)
    }
    shared?.retries.postpone(table.keyOf(id), nowMs)
  }

  #tellFailure(table: Table, id: EntryId, error: unknown): void {
    const key = table.keyOf(id)
    this.#context.outbox.fault(new RefreshError(key, error), key)
  }

  /**
   * The expired value that may still stand in for a load, if it was not invalidated meanwhile; or what has taken its
   * place, such as the same as the shared tier has it.
   */
  #stillServable(entry: Entry, table: Table, call: Call, whenUnsure: WhenUnsure): Entry | undefined {
    const { turn, trie, shared } = this.#context
    const nowMs = turn.arrive()
    if (!this.#looks.isOfUse(whenUnsure)) return undefined
    const transaction = transactionOf(call.frame, trie)
    const kept = table.entries.get(call.id)
    if (kept !== undefined && !kept.isError) return this.#looks.lookAt(kept, nowMs, transaction)?.entry
    if (entry.slot === GONE || transaction?.covers(entry) === true) return undefined
    // An entry that memory does not keep is not removed by marks on its own key, which count as no new state of the
    // log.
    const { dependencies, keyVersion } = entry
    const stamp = { ...entry.stamp }
    const keyNode = table.keyNodeOf(call.id) ?? table.keyNode
    const isStale = freshnessOf({ stamp, dependencies, keyNode, keyVersion }, trie) === "stale"
    return shared !== undefined && !isStale && ageOf(entry, nowMs) !== "over" ? entry : undefined
  }
}
