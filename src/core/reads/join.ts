import { captureContext } from "../base/contexts.js"
import { LoadCycleError } from "../base/errors.js"
import { channels } from "../base/events.js"
import { waitFor, whenAborted } from "../base/waits.js"
import { ancestorCycle, findCycle, runsAround } from "../loads/cycles.js"
import { type Flight, howToJoin, LateGroup } from "../loads/flight.js"
import { needsSlot } from "../loads/frame.js"
import { runOf } from "../loads/run.js"
import { type Call, requestFor } from "./call.js"
import type { ReadContext } from "./context.js"
import type { Fallback, Grace } from "./grace.js"
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
    const cycle = ancestorCycle(call.definition.table, call.id, visit.frame)
    if (cycle !== undefined) return rejectCycle(cycle, fallback)
    return this.#await(this.#context.launcher.start(requestFor(call, true)), call, visit, fallback)
  }

  join(call: Call, visit: Visit, nowMs: number, isUnsure: boolean, fallback: Fallback | undefined): Promise<unknown> {
    const { running, trie, settings, launcher } = this.#context
    const { definition, id, isFresh } = call
    const { table } = definition
    const flight = running.flightOf(table, id)
    const unsureBoundMs = isUnsure ? settings.stalenessBoundMs : undefined
    const how = flight === undefined ? "replace" : howToJoin(flight, trie, { isFresh, unsureBoundMs, nowMs })
    if (flight === undefined || how === "replace") {
      const cycle = ancestorCycle(table, id, visit.frame)
      if (cycle !== undefined) return rejectCycle(cycle, fallback)
      return this.#await(launcher.start(requestFor(call, false)), call, visit, fallback)
    }
    const isNested = !needsSlot(visit.frame, trie)
    const around = runsAround(visit.frame)
    if (around.length > 0) {
      const cycle = findCycle(flight, around)
      if (cycle !== undefined) return rejectCycle(cycle, fallback)
      if (flight.load === undefined && isNested) {
        flight.isNested = true
        flight.beginNow?.()
      }
    }
    const isHurried = around.some((each) => each.mayNotWait)
    if (isHurried) flight.hurry()
    if (isFresh && flight.load === undefined) {
      // The load of another node began before.
      flight.needsLoad = true
      flight.stopWaiting?.()
    }
    table.counters.joins += 1
    if (channels.join.hasSubscribers) this.#context.outbox.publish(channels.join, table.event(id))
    if (how === "share") return this.#await(flight, call, visit, fallback)
    flight.late ??= this.#newGroup(flight, call)
    if (isNested) flight.late.isNested = true
    if (isHurried) flight.late.mayNotWait = true
    running.sequence += 1
    flight.late.lastArrival = running.sequence
    return this.#await(flight.late, call, visit, fallback)
  }

  #newGroup(flight: Flight, call: Call): LateGroup {
    const { launcher } = this.#context
    // The next load will begin when this one has landed, but on behalf of this caller.
    const inContext = captureContext()
    return new LateGroup(flight, (group) => inContext(() => launcher.start(requestFor(call, false), group)))
  }

  /** The promise of one caller: the flight's own wherever nothing is special about the caller. */
  #await(
    waited: Flight | LateGroup,
    call: Call,
    { frame, run }: Visit,
    fallback: Fallback | undefined,
  ): Promise<unknown> {
    waited.waiters += 1
    const waiting = runOf(frame)
    const { isolation } = call.definition.behaviour
    if (waiting === undefined && call.signal === undefined && fallback === undefined && isolation !== "clone") {
      waited.isHandedOut = true
      return waited.outcome.promise
    }
    if (run !== undefined) waited.parents.push(run)
    waiting?.waitsFor.add(waited)
    let promise = waited.outcome.promise
    if (isolation === "clone") promise = promise.then(cloneIfPossible)
    if (fallback !== undefined) promise = this.#grace.orFallback(promise, call, run, fallback)
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

  /** Lets one caller leave; the load goes on for the others, and is told when there are none. */
  #detachable(promise: Promise<unknown>, waited: Flight | LateGroup, signal: AbortSignal): Promise<unknown> {
    const leave = () => {
      waited.waiters -= 1
      if (waited instanceof LateGroup && waited.hasMoved) waited.flight.waiters -= 1
      const flight = waited instanceof LateGroup ? waited.flight : waited
      this.#context.launcher.abandon(flight, signal.reason)
    }
    return waitFor(promise, whenAborted(signal, leave))
  }
}

function rejectCycle(cycle: readonly string[], fallback: Fallback | undefined): Promise<never> {
  fallback?.letGo()
  return Promise.reject(new LoadCycleError(cycle))
}
