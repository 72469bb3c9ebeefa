import { assert } from "../base/assert.js"
import type { Clock, Timer } from "../base/clock.js"
import { inRootContext } from "../base/contexts.js"
import { asInternalError, InvalidOptionError, LoadTimeoutError } from "../base/errors.js"
import { channels, type LoadEvent } from "../base/events.js"
import type { Lifetime } from "../base/lifetime.js"
import type { LeaseEnd } from "../ports/leases.js"
import type { Freshness } from "../tags/freshness.js"
import { Flight, type LateGroup, settle } from "./flight.js"
import { enterFrame, leaveFrame, runInFrame } from "./frame.js"
import { Landing, type LandingOptions } from "./landing.js"
import type { Leasing } from "./lease-wait.js"
import type { LoadQueue } from "./load-queue.js"
import type { LoadRequest } from "./load-request.js"
import { type Outcome, outcomeOf } from "./outcome.js"
import { type Load, Run } from "./run.js"
import { staticDependencies } from "./static-dependencies.js"
import { ignoreRejection, isThenable } from "../values/thenable.js"

/** Runs the user's function for the requests that begin together. */
export type Invoke = (requests: readonly LoadRequest[]) => unknown

/** A run that is under way, with the flights that it is to land. */
interface Departure {
  readonly run: Run
  readonly flights: readonly Flight[]
  readonly requests: readonly LoadRequest[]
  timer: Timer | undefined
  holdsSlot: boolean
  readonly isFramed: boolean
}

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
  readonly #byRun = new Map<Run, Departure>()

  constructor(options: DeparturesOptions) {
    this.#options = options
    this.#landing = new Landing(options)
  }

  get size(): number {
    return this.#byRun.size
  }

  /** Begins a run for flights that already may be joined. */
  begin(flights: readonly Flight[], requests: readonly LoadRequest[], holdsSlot: boolean, invoke: Invoke): void {
    const { running, clock, trie, lifetime } = this.#options
    const [request] = requests as [LoadRequest]
    const { hardTimeoutMs } = request.definition.behaviour
    const run = this.#runFor(request)
    run.mayNotWait = flights.some((flight) => flight.mayNotWait || flight.lease !== undefined)
    const isFramed = this.#needsFrame(request)
    const departure: Departure = { run, flights, requests, timer: undefined, holdsSlot, isFramed }
    this.#byRun.set(run, departure)
    for (const flight of flights) {
      flight.load = running.begin(flight.table, flight.id, run)
      running.sequence += 1
      flight.beganAt = running.sequence
      flight.table.counters.loads += 1
    }
    if (hardTimeoutMs !== Number.POSITIVE_INFINITY) {
      const timeOut = () => this.#timeOut(departure, hardTimeoutMs)
      departure.timer = clock.setTimer(timeOut, hardTimeoutMs, !lifetime.isOver)
    }
    if (isFramed) enterFrame()
    let result: unknown
    try {
      flights.forEach(({ load }, index) => {
        if (load !== undefined) load.ownDependencies = staticDependencies(requests[index] as LoadRequest, trie)
      })
      result = this.#invoke(request, run, () => invoke(requests))
    } catch (error) {
      // Like any other rejection: it lands when its callers are known.
      result = Promise.reject(error)
    }
    Promise.resolve(result).then(
      (value) => this.#land(departure, (index) => outcomeOf(value, index)),
      (error: unknown) => this.#land(departure, () => ({ isError: true, value: error })),
    )
  }

  /** Runs a loader that answers at once, and lands it. Throws what it throws. */
  runSync(request: LoadRequest, parent: Run | undefined): unknown {
    const { running, turn, trie, outbox } = this.#options
    const { definition, id } = request
    const { table } = definition
    const flight = new Flight(table, id, request.isPrivate)
    const run = this.#runFor(request)
    const load = running.begin(table, id, run)
    flight.load = load
    table.counters.loads += 1
    let loaded: Outcome
    const isFramed = this.#needsFrame(request)
    if (isFramed) enterFrame()
    try {
      load.ownDependencies = staticDependencies(request, trie)
      const value = this.#invoke(request, run, () => definition.load(request.self, request.args, run))
      loaded = { isError: false, value: plainValue(value) }
    } catch (error) {
      loaded = { isError: true, value: error }
    } finally {
      run.isSettled = true
      if (isFramed) leaveFrame()
    }
    turn.read()
    outbox.hold()
    try {
      const { outcome } = this.#landing.conclude(flight, request, load, loaded)
      parent?.inheritLoad(load)
      running.end(load)
      run.end()
      this.#publishLoad(load, outcome.isError ? "error" : "value")
      if (outcome.isError) throw outcome.value
      return outcome.value
    } finally {
      outbox.release()
    }
  }

  /** Ends the run of a flight that nobody waits for any more, unless others wait for its other flights. */
  abandon(flight: Flight, reason: unknown): void {
    const { run } = flight
    if (run === undefined || run.isSettled) return
    const departure = this.#byRun.get(run)
    if (departure === undefined || !departure.flights.every((other) => other.isAbandoned || other.isLanded)) return
    this.#endEarly(departure, reason, "aborted")
  }

  /** Runs go on for their callers and time out as ever; but none keeps the process alive, or a lease, any more. */
  close(): void {
    const { clock, turn, outbox, leasing } = this.#options
    for (const departure of this.#byRun.values()) {
      for (const flight of departure.flights) leasing?.giveBack(flight, "failed", outbox)
      if (departure.timer === undefined) continue
      departure.timer.cancel()
      const { hardTimeoutMs } = (departure.requests[0] as LoadRequest).definition.behaviour
      const startedAtMs = departure.run.loads[0]?.startedAtMs ?? 0
      const leftMs = Math.max(0, startedAtMs + hardTimeoutMs - turn.read())
      departure.timer = clock.setTimer(() => this.#timeOut(departure, hardTimeoutMs), leftMs, false)
    }
  }

  // --- beginning -------------------------------------------------------------------------------------------------

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

  #invoke(request: LoadRequest, run: Run, invoke: () => unknown): unknown {
    const { behaviour } = request.definition
    const inFrame = this.#needsFrame(request) ? () => runInFrame(run, invoke) : invoke
    return request.isBackground || behaviour.context === "root" ? inRootContext(inFrame) : inFrame()
  }

  // --- landing ---------------------------------------------------------------------------------------------------

  #land(departure: Departure, outcomeFor: (index: number) => Outcome): void {
    const { run, flights, requests } = departure
    const { turn, outbox } = this.#options
    // The run had timed out or been given up, and has given back what it held.
    if (run.isSettled) return
    this.#settleRun(departure)
    // Changes that others have made meanwhile, and whether this process is still up to date, are known before the rule is
    // applied, and stay as they are until the result is stored.
    turn.read()
    outbox.hold()
    try {
      flights.forEach((flight, index) => {
        if (!flight.isLanded) this.#landInAnyCase(flight, requests[index] as LoadRequest, outcomeFor(index))
      })
      run.end()
    } finally {
      outbox.release()
      // Loads that wait for the slot are user code: they find a load that has ended, or none.
      this.#finish(departure)
    }
  }

  /** Landing answers everyone who waits, whatever happens inside: a key that nobody answers for would be lost for good. */
  #landInAnyCase(flight: Flight, request: LoadRequest, loaded: Outcome): void {
    try {
      this.#landFlight(flight, request, loaded)
    } catch (error) {
      this.#options.outbox.fault(asInternalError(error), flight.key)
      if (flight.isLanded) return
      this.#end(flight, { isError: true, value: error }, false, { event: "error", lease: "failed" })
    }
  }

  #landFlight(flight: Flight, request: LoadRequest, loaded: Outcome): void {
    const load = flight.load as Load
    const { outcome, freshness } = this.#landing.conclude(flight, request, load, loaded)
    const isUsableByLate = freshness === "fresh" && !load.isTainted && this.#landing.isYoungEnough(load)
    this.#end(flight, outcome, isUsableByLate, {
      event: outcome.isError ? "error" : "value",
      lease: endOf(loaded, freshness),
    })
  }

  /** Ends a flight whose loader still runs; its late result will find nobody. */
  #giveUp(flight: Flight, request: LoadRequest, error: unknown, event: LoadEvent["outcome"]): void {
    const load = flight.load as Load
    // No value is there that could show what it depends on.
    if (request.definition.hooks.depsOf !== undefined) load.isTainted = true
    const isUsableByLate =
      this.#landing.freshnessOf(load) === "fresh" && !load.isTainted && this.#landing.isYoungEnough(load)
    this.#end(flight, { isError: true, value: error }, isUsableByLate, { event, lease: "failed" })
  }

  /** The one ending of a flight that has begun: hands on what it depends on, ends its load, answers everyone. */
  #end(
    flight: Flight,
    outcome: Outcome,
    isUsableByLate: boolean,
    as: { readonly event: LoadEvent["outcome"]; readonly lease: LeaseEnd },
  ): void {
    const { running, outbox, leasing } = this.#options
    assert(!flight.isLanded, "a flight has ended twice")
    const load = flight.load as Load
    const { late } = flight
    for (const parent of flight.parents) parent.inheritLoad(load)
    if (isUsableByLate && late !== undefined) for (const parent of late.parents) parent.inheritLoad(load)
    running.end(load)
    flight.isLanded = true
    running.removeFlight(flight)
    this.#publishLoad(load, as.event)
    settle(flight, outcome)
    leasing?.giveBack(flight, as.lease, outbox)
    if (late !== undefined) this.#answerLate(late, isUsableByLate ? outcome : undefined)
  }

  /** With an outcome it is theirs; without one they all share the next flight, and never one after the other. */
  #answerLate(group: LateGroup, outcome: Outcome | undefined): void {
    if (outcome !== undefined) {
      settle(group, outcome)
      return
    }
    if (group.waiters === 0) return
    const { table, id } = group.flight
    const current = this.#options.running.flightOf(table, id)
    const canUse = current !== undefined && (current.load === undefined || current.beganAt > group.lastArrival)
    if (!canUse) {
      group.startNext(group)
      return
    }
    group.moveTo(current)
    if (group.isNested) current.beginNow?.()
    if (group.mayNotWait) current.hurry()
  }

  // --- other ends ------------------------------------------------------------------------------------------------

  #timeOut(departure: Departure, timeoutMs: number): void {
    departure.timer = undefined
    if (departure.run.isSettled) this.#finish(departure)
    else this.#endEarly(departure, new LoadTimeoutError(departure.run.key, timeoutMs), "timeout")
  }

  /** Ends a run whose loader has not settled. The signal that tells it so is user code, hence last. */
  #endEarly(departure: Departure, reason: unknown, event: "timeout" | "aborted"): void {
    const { run, flights, requests } = departure
    const { outbox } = this.#options
    this.#settleRun(departure)
    outbox.hold()
    try {
      flights.forEach((flight, index) => {
        if (flight.isLanded) return
        if (event === "timeout") flight.table.counters.loadTimeouts += 1
        this.#giveUp(flight, requests[index] as LoadRequest, reason, event)
      })
      run.end()
    } finally {
      outbox.release()
      // Loads that wait for the slot are user code, and so is what the signal tells: they find flights that have ended.
      this.#finish(departure)
    }
    run.abort(reason)
  }

  /** The code inside has said its last word. */
  #settleRun(departure: Departure): void {
    departure.run.isSettled = true
    if (departure.isFramed) leaveFrame()
  }

  /** Gives back the slot and the timer. */
  #finish(departure: Departure): void {
    departure.timer?.cancel()
    departure.timer = undefined
    this.#byRun.delete(departure.run)
    if (!departure.holdsSlot) return
    departure.holdsSlot = false
    this.#options.queue.release()
  }

  #publishLoad(load: Load, outcome: LoadEvent["outcome"]): void {
    if (!channels.load.hasSubscribers) return
    const { turn, outbox } = this.#options
    const durationMs = turn.current() - load.startedAtMs
    outbox.publish(channels.load, { ...load.table.event(load.id), durationMs, outcome })
  }
}

/** The end of a lease whose load has stored nothing, as nodes that wait for it are told. */
function endOf(loaded: Outcome, freshness: Freshness): LeaseEnd {
  return loaded.isError || freshness === "stale" ? "failed" : "unwanted"
}

/** A synchronous loader's value; a promise of one is refused. */
function plainValue(value: unknown): unknown {
  if (!isThenable(value)) return value
  ignoreRejection(value)
  throw new InvalidOptionError(
    "loader",
    value,
    "`cacheableSync` takes functions that return their value; use `cacheable` for promises",
  )
}
