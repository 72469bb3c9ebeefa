import { LoadCycleError } from "../base/errors.js"
import { channels } from "../base/events.js"
import { waitFor, whenAborted } from "../base/waits.js"
import { ancestorCycle, findCycle } from "../loads/cycles.js"
import { type Flight, howToJoin } from "../loads/flight.js"
import { type Run, runOf } from "../loads/run.js"
import { breakRing } from "../loads/slot-rings.js"
import { type Call, requestFor } from "./call.js"
import type { ReadContext } from "./context.js"
import type { Fallback, Grace } from "./grace.js"
import { untilDone } from "./until-done.js"
import { cloneIfPossible } from "./use.js"
import type { Visit } from "./visit.js"

/** Callers that need a load: joins the flight of their key, waits for the next one, or starts one. */
export class Joins {
  readonly #context: ReadContext
  readonly #grace: Grace

  constructor(context: ReadContext, grace: Grace) {
    this.#context = context
    this.#grace = grace
  }

  /** A load for this caller alone. */
  alone(call: Call, visit: Visit, fallback: Fallback | undefined): Promise<unknown> {
    return this.#start(call, visit, fallback, true)
  }

  join(call: Call, visit: Visit, nowMs: number, isUnsure: boolean, fallback: Fallback | undefined): Promise<unknown> {
    const { running, trie, settings, launcher, outbox } = this.#context
    const { definition, id, isFresh } = call
    const { table } = definition
    const flight = running.flightOf(table, id)
    const unsureBoundMs = isUnsure ? settings.stalenessBoundMs : undefined
    const how = flight === undefined ? "replace" : howToJoin(flight, trie, { isFresh, unsureBoundMs, nowMs })
    if (flight === undefined || how === "replace") return this.#start(call, visit, fallback, false)
    const waiting = runOf(visit.frame)
    const cycle = waiting === undefined ? undefined : findCycle(flight, waiting)
    if (cycle !== undefined) return rejectCycle(cycle, visit.run, fallback)
    table.counters.joins += 1
    if (channels.join.hasSubscribers) outbox.publish(channels.join, table.event(id))
    const request = requestFor(call, false)
    const joined = how === "share" ? flight : launcher.follow(flight, request)
    const promise = this.#await(joined, call, visit, waiting, fallback)
    launcher.join(flight, request)
    if (waiting !== undefined) breakRing(joined)
    this.#goesOn(promise, joined, call, fallback)
    return promise
  }

  #start(call: Call, visit: Visit, fallback: Fallback | undefined, isPrivate: boolean): Promise<unknown> {
    const { running, launcher } = this.#context
    const cycle = ancestorCycle(call.definition.table, call.id, visit.frame, running)
    if (cycle !== undefined) return rejectCycle(cycle, visit.run, fallback)
    const flight = launcher.prepare(requestFor(call, isPrivate))
    const waiting = runOf(visit.frame)
    // Before it begins: its loader may at once call what waits for it, which must be seen as a cycle.
    const promise = this.#await(flight, call, visit, waiting, fallback)
    launcher.begin(flight)
    if (waiting !== undefined) breakRing(flight)
    this.#goesOn(promise, flight, call, fallback)
    return promise
  }

  /** Whoever keeps the process alive hears of what may go on without the caller: once it has begun, for that is user code. */
  #goesOn(promise: Promise<unknown>, flight: Flight, call: Call, fallback: Fallback | undefined): void {
    const { background, shared } = this.#context
    if (!background.isWanted) return
    const { finish } = call.definition.behaviour
    const mayGoOn = shared !== undefined || fallback !== undefined || finish === "always"
    if (mayGoOn) background.add(untilDone(promise, flight, shared))
  }

  /** The promise of one caller: the flight's own wherever nothing is special about the caller. */
  #await(
    flight: Flight,
    call: Call,
    { run }: Visit,
    waiting: Run | undefined,
    fallback: Fallback | undefined,
  ): Promise<unknown> {
    flight.waiters += 1
    const { isolation } = call.definition.behaviour
    if (waiting === undefined && call.signal === undefined && fallback === undefined && isolation !== "clone") {
      flight.isHandedOut = true
      return flight.outcome.promise
    }
    if (run !== undefined) flight.parents.push(run)
    waiting?.waitFor(flight)
    let promise = flight.outcome.promise
    if (isolation === "clone") promise = promise.then(cloneIfPossible)
    if (fallback !== undefined) promise = this.#grace.orFallback(promise, call, run, fallback)
    if (call.signal !== undefined) promise = this.#detachable(promise, flight, run, fallback, call.signal)
    if (waiting === undefined) return promise
    const leave = () => waiting.stopWaitingFor(flight)
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

  /** Lets one caller leave; the load goes on for the others, and is told when there are none. */
  #detachable(
    promise: Promise<unknown>,
    flight: Flight,
    run: Run | undefined,
    fallback: Fallback | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const leave = () => {
      flight.waiters -= 1
      // A flight that nobody waits for may never answer.
      fallback?.letGo()
      if (run !== undefined) {
        // What it is going to depend on is not known, and so what a result depends on that is made without it.
        run.inheritKnown(flight)
        run.obscure()
      }
      this.#context.launcher.abandon(flight.before ?? flight, signal.reason)
    }
    return waitFor(promise, whenAborted(signal, leave))
  }
}

function rejectCycle(cycle: readonly string[], run: Run | undefined, fallback: Fallback | undefined): Promise<never> {
  // Another caller would have met no cycle: what is made without the call is right for this one only.
  run?.obscure()
  fallback?.letGo()
  return Promise.reject(new LoadCycleError(cycle))
}
