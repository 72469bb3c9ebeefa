import type { Clock, Timer } from "../base/clock.js"
import { inRootContext } from "../base/contexts.js"
import { asInternalError, LoadTimeoutError } from "../base/errors.js"
import { channels, type LoadEvent } from "../base/events.js"
import { UnawaitedCallError } from "../base/load-errors.js"
import type { Lifetime } from "../base/lifetime.js"
import { assertStack } from "../base/stack.js"
import type { LeaseEnd } from "../ports/leases.js"
import type { Freshness } from "../tags/freshness.js"
import { Flight, settle } from "./flight.js"
import { enterFrame, frameIsLeft, leaveFrame, leftFrameEnds, runInFrame } from "./frame.js"
import { Landing, type LandingOptions, looksAtResults } from "./landing.js"
import type { Leasing } from "./lease-wait.js"
import type { LoadQueue } from "./load-queue.js"
import type { LoadRequest } from "./load-request.js"
import { type Outcome, outcomeOf, plainValue } from "./outcome.js"
import { type Load, Run } from "./run.js"
import { staticDependencies } from "./static-dependencies.js"

/** Runs the user's function for flights that begin together. */
export type Invoke = (flights: readonly Flight[]) => unknown

/** A run that is under way, with the flights that it is to land. */
interface Departure {
  readonly run: Run
  flights: readonly Flight[]
  timer: Timer | undefined
  holdsSlot: boolean
  /** The frame of its run counts among those that are active. */
  isFramed: boolean
  /** The result is being looked at: nothing else may end the run. */
  isLanding: boolean
}

/** The end of a flight. */
export interface Ending {
  readonly outcome: Outcome
  /** Callers that came after something had changed may have the outcome. */
  readonly isUsableByNext: boolean
  /** Undefined for a flight that has not begun. */
  readonly event?: LoadEvent["outcome"]
  /** The end of its lease, as other nodes are told. */
  readonly lease: LeaseEnd
}

/** A load that answers at once, and what is left to do at its end. */
interface SyncLoad {
  readonly flight: Flight
  readonly run: Run
  readonly caller: Run | undefined
  readonly parent: Run | undefined
  /** The frame of its run counts among those that are active. */
  isFramed: boolean
  /** Events are kept until it has landed. */
  isHolding: boolean
  outcome: Outcome
}

const NOTHING: Outcome = Object.freeze({ isError: true, value: undefined })

export interface DeparturesOptions extends LandingOptions {
  readonly clock: Clock
  readonly queue: LoadQueue
  readonly lifetime: Lifetime
  /** Undefined where this process alone decides who loads a key. */
  readonly leasing: Leasing | undefined
}

/** The runs that are under way: each ends once, by landing, by its timeout, or because nobody waits for it any more. */
export class Departures {
  readonly #options: DeparturesOptions
  readonly #landing: Landing
  readonly #startNext: (flight: Flight) => void
  readonly #byRun = new Map<Run, Departure>()
  readonly #syncLoads = new Set<SyncLoad>()

  /** @param startNext lets a flight begin that was behind another one. */
  constructor(options: DeparturesOptions, startNext: (flight: Flight) => void) {
    this.#options = options
    this.#landing = new Landing(options)
    this.#startNext = startNext
  }

  get size(): number {
    return this.#byRun.size
  }

  /** Begins a run for flights that already may be joined. */
  begin(flights: readonly Flight[], holdsSlot: boolean, invoke: Invoke): void {
    const { running } = this.#options
    const { request } = flights[0] as Flight
    const run = this.#runFor(request)
    run.mayNotWait = flights.some((flight) => flight.mayNotWait || flight.lease !== undefined)
    run.brings = flights
    const departure: Departure = { run, flights, timer: undefined, holdsSlot, isFramed: false, isLanding: false }
    this.#byRun.set(run, departure)
    if (holdsSlot) this.#options.queue.holders.add(run)
    for (const flight of flights) {
      flight.become("running")
      flight.load = running.begin(flight.table, flight.id, run)
      flight.table.counters.loads += 1
    }
    this.#setTimer(departure)
    if (this.#needsFrame(request)) {
      enterFrame()
      departure.isFramed = true
    }
    let result: unknown
    try {
      result = this.#inFrame(request, run, () => {
        this.#declare(departure)
        return invoke(departure.flights)
      })
    } catch (error) {
      // Like any other rejection: it lands when its callers are known.
      result = Promise.reject(error)
    }
    Promise.resolve(result).then(
      (value) => this.#land(departure, (index) => outcomeOf(value, index)),
      (error: unknown) => this.#land(departure, () => ({ isError: true, value: error })),
    )
  }

  /** Notes what each flight declares to depend on. One that can't say it fails, and the others of its batch go on. */
  #declare(departure: Departure): void {
    const { trie } = this.#options
    const { flights } = departure
    const failed = new Set<Flight>()
    for (const flight of flights) {
      try {
        const dependencies = staticDependencies(flight.request, trie)
        if (flight.load !== undefined) flight.load.ownDependencies = dependencies
      } catch (error) {
        if (flights.length === failed.size + 1) throw error
        failed.add(flight)
        this.#giveUp(flight, error, "error")
      }
    }
    if (failed.size > 0) departure.flights = flights.filter((flight) => !failed.has(flight))
  }

  /**
   * Ends a flight whose begin was cut short, as by a full stack, wherever that was. True if its run had been noted, so that
   * its slot, if it has one, is given back.
   */
  fail(flight: Flight, error: unknown): boolean {
    let departure: Departure | undefined
    for (const each of this.#byRun.values()) if (each.flights.includes(flight)) departure = each
    if (departure !== undefined && !departure.run.isSettled) this.#endEarly(departure, error, "error")
    if (!flight.hasEnded) {
      for (const parent of flight.parents) parent.obscure()
      this.end(flight, { outcome: { isError: true, value: error }, isUsableByNext: false, lease: "failed" })
    }
    return departure !== undefined
  }

  /** Runs a loader that answers at once, and lands it. Throws what it throws. */
  runSync(request: LoadRequest, caller: Run | undefined, parent: Run | undefined): unknown {
    assertStack()
    const { running, turn, outbox } = this.#options
    const flight = new Flight(request)
    const run = this.#runFor(request)
    const sync: SyncLoad = { flight, run, caller, parent, isFramed: false, isHolding: false, outcome: NOTHING }
    this.#openSync(sync)
    try {
      run.brings = [flight]
      caller?.waitFor(flight)
      flight.become("running")
      const load = running.begin(flight.table, flight.id, run)
      flight.load = load
      flight.table.counters.loads += 1
      if (this.#needsFrame(request)) {
        enterFrame()
        sync.isFramed = true
      }
      sync.outcome = this.#answerOf(request, load)
      turn.read()
      outbox.hold()
      sync.isHolding = true
      if (run.waitsFor.size > 0) this.#leaveCalls(run, sync.outcome)
      sync.outcome = this.#conclude(flight, load, sync.outcome).outcome
    } catch (error) {
      // As `landInAnyCase` does: what a load brought is its caller's, whatever happens to the books.
      if (sync.outcome === NOTHING) throw error
      if (flight.load !== undefined) flight.load.isTainted = true
      outbox.fault(asInternalError(error), flight.key)
    } finally {
      this.#closeSync(sync)
    }
    const { isError, value } = sync.outcome
    if (isError) throw value
    return value
  }

  #answerOf(request: LoadRequest, load: Load): Outcome {
    const { definition, self, args } = request
    try {
      const value = this.#inFrame(request, load.run, () => {
        load.ownDependencies = staticDependencies(request, this.#options.trie)
        return definition.load(self, args, load.run)
      })
      return { isError: false, value: plainValue(value) }
    } catch (error) {
      return { isError: true, value: error }
    }
  }

  /** Notes a synchronous load, so that it ends with the turn at the latest: a full stack may cut any of its steps short. */
  #openSync(sync: SyncLoad): void {
    if (this.#syncLoads.size === 0) this.#options.turn.atEnd(() => this.#closeAllSync())
    this.#syncLoads.add(sync)
  }

  #closeAllSync(): void {
    for (const sync of this.#syncLoads) {
      try {
        sync.parent?.obscure()
        this.#closeSync(sync)
      } catch (error) {
        this.#syncLoads.delete(sync)
        this.#options.outbox.fault(asInternalError(error), sync.flight.key)
      }
    }
  }

  /** The one ending of a synchronous load. Goes on where it was cut short. */
  #closeSync(sync: SyncLoad): void {
    const { flight, run, caller, parent, outcome } = sync
    const { load } = flight
    if (sync.isFramed) {
      sync.isFramed = false
      leaveFrame()
    }
    if (!flight.hasEnded) {
      run.isSettled = true
      if (load !== undefined) {
        parent?.inheritLoad(load)
        this.#options.running.end(load)
      }
      if (flight.waitedBy.size > 0) caller?.stopWaitingFor(flight)
      run.end()
      flight.become("ended")
      if (load !== undefined) this.#publishLoad(load, outcome.isError ? "error" : "value")
    }
    this.#syncLoads.delete(sync)
    if (!sync.isHolding) return
    sync.isHolding = false
    this.#options.outbox.release()
  }

  /** Ends the run of a flight that nobody waits for any more, unless others wait for its other flights. */
  abandon(flight: Flight, reason: unknown): void {
    const { load } = flight
    const departure = load === undefined ? undefined : this.#byRun.get(load.run)
    if (departure === undefined || departure.isLanding || departure.run.isSettled) return
    if (!departure.flights.every((other) => other.isAbandoned || other.hasEnded)) return
    this.#endEarly(departure, reason, "aborted")
  }

  /**
   * Runs go on for their callers and time out as ever; but none keeps the process alive, or a lease, any more. Those without
   * callers end.
   */
  close(): void {
    const { clock, turn, outbox, leasing } = this.#options
    for (const departure of this.#byRun.values()) {
      for (const flight of departure.flights) leasing?.giveBack(flight, "failed", outbox)
      // A load that goes on for nobody.
      const isUnderWay = !departure.isLanding && !departure.run.isSettled
      if (isUnderWay && departure.flights.every((flight) => flight.isAbandoned || flight.hasEnded)) {
        this.#endEarly(departure, undefined, "aborted")
        continue
      }
      if (departure.timer === undefined) continue
      departure.timer.cancel()
      const { hardTimeoutMs } = timeLimitOf(departure)
      const startedAtMs = departure.run.loads[0]?.startedAtMs ?? 0
      const leftMs = Math.max(0, startedAtMs + hardTimeoutMs - turn.read())
      departure.timer = clock.setTimer(() => this.#timeOut(departure, hardTimeoutMs), leftMs, false)
    }
  }

  /**
   * The one ending of a flight, in whichever state it is: hands on what it depends on, ends its load, answers everyone.
   * Callers that came late have the outcome, too, or share the next flight; never one after the other.
   */
  end(flight: Flight, { outcome, isUsableByNext, event, lease }: Ending): void {
    const { running, outbox, leasing } = this.#options
    const { load, next } = flight
    flight.next = undefined
    if (load !== undefined) {
      for (const parent of flight.parents) parent.inheritLoad(load)
      if (isUsableByNext && next !== undefined) for (const parent of next.parents) parent.inheritLoad(load)
      running.end(load)
    }
    flight.become("ended")
    running.removeFlight(flight)
    if (load !== undefined && event !== undefined) this.#publishLoad(load, event)
    settle(flight, outcome)
    leasing?.giveBack(flight, lease, outbox)
    if (next === undefined) return
    next.before = undefined
    if (!isUsableByNext && next.waiters > 0) {
      next.become("due")
      this.#startNext(next)
      return
    }
    next.become("ended")
    if (isUsableByNext) settle(next, outcome)
  }

  // --- beginning -------------------------------------------------------------------------------------------------

  #setTimer(departure: Departure): void {
    const { clock, lifetime } = this.#options
    const { hardTimeoutMs } = timeLimitOf(departure)
    if (hardTimeoutMs === Number.POSITIVE_INFINITY) return
    const timeOut = () => this.#timeOut(departure, hardTimeoutMs)
    departure.timer = clock.setTimer(timeOut, hardTimeoutMs, !lifetime.isOver)
  }

  #runFor({ definition, frame }: LoadRequest): Run {
    const { trie, outbox, turn } = this.#options
    const { scope, behaviour } = definition
    return new Run({ trie, outbox, scope, behaviour, parent: frame, nowMs: turn.arrive() })
  }

  /** Without a frame nobody knows whose slot a nested load may use, and a bound on loads could deadlock. */
  #needsFrame({ definition, frame }: LoadRequest): boolean {
    // Inside another load it would otherwise speak for that one.
    return (
      definition.behaviour.tracking || frame !== undefined || this.#options.queue.limit !== Number.POSITIVE_INFINITY
    )
  }

  /** Runs user code in the frame of its load, and in the context that its function is to have. */
  #inFrame<T>(request: LoadRequest, run: Run, work: () => T): T {
    const { behaviour } = request.definition
    const inFrame = this.#needsFrame(request) ? () => runInFrame(run, work) : work
    return request.isBackground || behaviour.context === "root" ? inRootContext(inFrame) : inFrame()
  }

  // --- landing ---------------------------------------------------------------------------------------------------

  #land(departure: Departure, outcomeFor: (index: number) => Outcome): void {
    const { run } = departure
    const { turn, outbox } = this.#options
    if (run.isSettled) {
      // The run had timed out or been given up, and has given back what it held.
      run.isLeft = false
      if (departure.isFramed) leftFrameEnds()
      return
    }
    departure.isLanding = true
    // Changes that others have made meanwhile, and whether this process is still up to date, are known before the rule is
    // applied, and stay as they are until the result is stored.
    turn.read()
    outbox.hold()
    try {
      if (run.waitsFor.size > 0) this.#leaveCalls(run, outcomeFor(0))
      departure.flights.forEach((flight, index) => {
        if (!flight.hasEnded) this.#landInAnyCase(flight, outcomeFor(index))
      })
      run.isSettled = true
      if (departure.isFramed) leaveFrame()
      run.end()
    } finally {
      outbox.release()
      // Loads that wait for the slot are user code: they find a load that has ended, or none.
      this.#finish(departure)
    }
  }

  /** Landing answers everyone who waits, whatever happens inside: a key that nobody answers for would be lost for good. */
  #landInAnyCase(flight: Flight, loaded: Outcome): void {
    try {
      const load = flight.load as Load
      const { outcome, freshness } = this.#conclude(flight, load, loaded)
      const isUsableByNext = freshness === "fresh" && !isOpaque(load) && this.#landing.isYoungEnough(load)
      const event = outcome.isError ? "error" : "value"
      this.end(flight, { outcome, isUsableByNext, event, lease: endOf(loaded, freshness) })
    } catch (error) {
      this.#options.outbox.fault(asInternalError(error), flight.key)
      if (flight.hasEnded) return
      // Whatever could not be passed on by the ending that failed.
      for (const parent of flight.parents) parent.obscure()
      flight.parents.length = 0
      const outcome = { isError: true, value: error }
      this.end(flight, { outcome, isUsableByNext: false, event: "error", lease: "failed" })
    }
  }

  #conclude(flight: Flight, load: Load, loaded: Outcome): ReturnType<Landing["conclude"]> {
    const { run } = load
    const conclude = () => this.#landing.conclude(flight, load, loaded)
    return looksAtResults(flight.request.definition, this.#options.settings)
      ? this.#inFrame(flight.request, run, conclude)
      : conclude()
  }

  /** Calls that the code inside made, and that are still under way: what they will depend on is not known. */
  #leaveCalls(run: Run, loaded: Outcome): void {
    for (const waited of run.waitsFor.keys()) {
      run.inheritKnown(waited)
      // An error is none that such a call could have changed.
      if (loaded.isError || run.isOpaque || !run.inherits) continue
      run.obscure()
      this.#options.outbox.fault(new UnawaitedCallError(run.key, waited.key), run.key)
    }
  }

  // --- other ends ------------------------------------------------------------------------------------------------

  #timeOut(departure: Departure, timeoutMs: number): void {
    departure.timer = undefined
    if (departure.run.isSettled) this.#finish(departure)
    else this.#endEarly(departure, new LoadTimeoutError(departure.run.key, timeoutMs), "timeout")
  }

  /** Ends a run whose loader has not settled. The signal that tells it so is user code, hence last. */
  #endEarly(departure: Departure, reason: unknown, event: "timeout" | "aborted" | "error"): void {
    const { run, flights, isFramed } = departure
    const { outbox } = this.#options
    for (const waited of run.waitsFor.keys()) run.inheritKnown(waited)
    run.isSettled = true
    run.isLeft = true
    if (isFramed) frameIsLeft()
    outbox.hold()
    try {
      for (const flight of flights) {
        if (flight.hasEnded) continue
        if (event === "timeout") flight.table.counters.loadTimeouts += 1
        this.#giveUp(flight, reason, event)
      }
      run.end()
    } finally {
      outbox.release()
      // Loads that wait for the slot are user code, and so is what the signal tells: they find flights that have ended.
      this.#finish(departure)
    }
    run.abort(reason)
  }

  /** Ends a flight whose loader still runs; its late result will find nobody. */
  #giveUp(flight: Flight, error: unknown, event: "timeout" | "aborted" | "error"): void {
    const { load } = flight
    if (load === undefined) {
      this.end(flight, { outcome: { isError: true, value: error }, isUsableByNext: false, lease: "failed" })
      return
    }
    const areDependenciesKnown = flight.request.definition.hooks.depsOf === undefined && !isOpaque(load)
    const isFresh = areDependenciesKnown && this.#landing.freshnessOf(load) === "fresh"
    const isUsableByNext = isFresh && this.#landing.isYoungEnough(load)
    // Nobody knows what it would have depended on in the end, and so what a result depends on that was made without it.
    load.isTainted = true
    this.end(flight, { outcome: { isError: true, value: error }, isUsableByNext, event, lease: "failed" })
  }

  /** Gives back the slot and the timer. */
  #finish(departure: Departure): void {
    departure.timer?.cancel()
    departure.timer = undefined
    this.#byRun.delete(departure.run)
    if (!departure.holdsSlot) return
    departure.holdsSlot = false
    this.#options.queue.holders.delete(departure.run)
    this.#options.queue.release()
  }

  #publishLoad(load: Load, outcome: LoadEvent["outcome"]): void {
    if (!channels.load.hasSubscribers) return
    const { turn, outbox } = this.#options
    const durationMs = turn.current() - load.startedAtMs
    outbox.publish(channels.load, { ...load.table.event(load.id), durationMs, outcome })
  }
}

function timeLimitOf({ flights }: Departure): { readonly hardTimeoutMs: number } {
  return (flights[0] as Flight).request.definition.behaviour
}

/** Whether not all is known that a result depends on. */
function isOpaque(load: Load): boolean {
  return load.isTainted || load.run.isOpaque
}

/** The end of a lease whose load has stored nothing, as nodes that wait for it are told. */
function endOf(loaded: Outcome, freshness: Freshness): LeaseEnd {
  return loaded.isError || freshness === "stale" ? "failed" : "unwanted"
}
