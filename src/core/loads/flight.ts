import { assert } from "../base/assert.js"
import type { RunInContext } from "../base/contexts.js"
import { Deferred } from "../base/waits.js"
import type { Table } from "../entries/table.js"
import type { Lease } from "../ports/leases.js"
import { freshnessOfDependencies } from "../tags/freshness.js"
import type { Stamp, TagTrie } from "../tags/tag-trie.js"
import type { EntryId } from "../values/id.js"
import type { LoadRequest } from "./load-request.js"
import type { Outcome } from "./outcome.js"
import type { Load, Run, Slots, Waited } from "./run.js"

/**
 * The states of a flight, as they follow on each other. All but the last two have not begun: everyone may join.
 *
 *     due ─┬─> behind ───┐    waits for the flight before it, whose result may do for its callers, too
 *          ├─> resting ──┤    waits for the end of the stack: loads are nested deeply
 *          ├─> gathering ┤    waits for its batch
 *          ├─> queued ───┤    waits for a slot
 *          ├─> asking <──┴──> elsewhere    asks for a lease; waits for the load of another node
 *          └─> running ──> ended           has a load; everyone has been answered, or nobody waits any more
 */
export type FlightState =
  "due" | "behind" | "resting" | "gathering" | "queued" | "asking" | "elsewhere" | "running" | "ended"

const followers: Readonly<Record<FlightState, readonly FlightState[]>> = {
  due: ["behind", "resting", "gathering", "queued", "asking", "running", "ended"],
  behind: ["due", "ended"],
  resting: ["gathering", "queued", "asking", "running", "ended"],
  gathering: ["queued", "asking", "running", "ended"],
  queued: ["asking", "running", "ended"],
  asking: ["elsewhere", "due", "running", "ended"],
  elsewhere: ["due", "ended"],
  running: ["ended"],
  ended: [],
}

/** A wait for the load of another node, as the flight and those who wait for it see it. */
export interface Elsewhere {
  /** Waiting is of no use any more: the flight asks again at once, and then loads. */
  hasten(): void
}

/** A load that several callers share, from the first of them until all are answered. */
export class Flight implements Waited {
  readonly table: Table
  readonly id: EntryId
  readonly outcome = new Deferred()
  /** The load as its first caller asked for it. */
  request: LoadRequest
  /** Later callers of the same key, whose arguments may do where those of the first have changed before it could begin. */
  spares: LoadRequest[] | undefined
  /** While it is running, and after that. */
  load: Load | undefined
  /** How many callers wait for it; those that can't leave stay counted for ever. */
  waiters = 0
  /** Somebody holds the promise itself. */
  isHandedOut = false
  /** Runs that wait for it and inherit what it depends on. */
  readonly parents: Run[] = []
  readonly waitedBy = new Map<Run, number>()
  /** The next load of the key, which has not begun: for callers that came after something had changed. */
  next: Flight | undefined
  /** The flight that it is behind. */
  before: Flight | undefined
  /** Runs code in the context of its first caller, where it begins for another reason than that caller's call. */
  inContext: RunInContext | undefined
  /** Begins on no slot of its own; while it is gathering or queued. */
  beginNow: (() => void) | undefined
  /** Gives up its place in the queue, while it is queued. */
  leaveQueue: (() => void) | undefined
  queue: Slots | undefined
  /** A load of another cache may wait for it while it is queued. */
  isAtRisk = false
  /** Somebody who waits for it holds a slot: it may not wait for another. */
  isNested = false
  /** The right to load this key in the whole fleet, while it is loaded. */
  lease: Lease | undefined
  /** The wait for a lease; undefined where it needs none, and once it has begun. */
  elsewhere: Elsewhere | undefined
  /** Somebody who waits for it holds a lease: it may not wait for another node. */
  mayNotWait = false
  /** Somebody wants a load that begins from now on: what another node has loaded will not do. */
  needsLoad = false
  /** The state of the log in which a caller found that it may still be of use. */
  joinedIn: Stamp | undefined
  #state: FlightState = "due"

  constructor(request: LoadRequest) {
    this.table = request.definition.table
    this.id = request.id
    this.request = request
  }

  get state(): FlightState {
    return this.#state
  }

  become(state: FlightState): void {
    assert(followers[this.#state].includes(state), "a flight went to a state that does not follow on its own")
    this.#state = state
  }

  get hasEnded(): boolean {
    return this.#state === "ended"
  }

  /** Shared with nobody and not stored: it may have seen what a transaction has not committed. */
  get isPrivate(): boolean {
    return this.request.isPrivate
  }

  /** Once it has begun it ends by itself, though nobody waits for it. */
  get finishes(): boolean {
    return this.request.definition.behaviour.finish === "always" && !this.isPrivate
  }

  get key(): string {
    return this.table.keyOf(this.id)
  }

  /** The run that is to bring its result, as far as that is known. */
  get run(): Run | undefined {
    return this.before === undefined ? this.load?.run : this.before.run
  }

  /** Nobody waits for it any more, nor for what comes after it. */
  get isAbandoned(): boolean {
    return this.waiters === 0 && (this.next === undefined || this.next.waiters === 0)
  }

  /** Neither it, nor what it waits for, may wait for another node: a holder of one lease never waits for another. */
  hurry(): void {
    const hurried: Waited[] = [this]
    // The list grows while it is walked.
    for (const waited of hurried) {
      const run = waited.loadsHere()
      if (run !== undefined) for (const next of run.waitsFor.keys()) hurried.push(next)
    }
  }

  loadsHere(): Run | undefined {
    if (this.mayNotWait) return undefined
    this.mayNotWait = true
    this.before?.hurry()
    this.elsewhere?.hasten()
    const { run } = this
    if (this.before !== undefined || run === undefined || run.isSettled) return undefined
    run.mayNotWait = true
    return run
  }
}

export type Join =
  /** Nothing changed since it began: its result is as good as that of a load of one's own. */
  | "share"
  /** Something changed, perhaps nothing that concerns it: when it lands, the rule decides. */
  | "wait"
  /** The result can't be used, whatever it is. */
  | "replace"

export interface Arrival {
  /** Asks for a load that begins after now. */
  readonly isFresh: boolean
  /** How long ago the oldest ingredient of a flight may have begun, where the process is unsure; else undefined. */
  readonly unsureBoundMs: number | undefined
  readonly nowMs: number
}

/** Whether a caller that arrives now may take the result of a flight. */
export function howToJoin(flight: Flight, trie: TagTrie, arrival: Arrival): Join {
  const { load } = flight
  if (load === undefined) return "share"
  if (arrival.isFresh || load.isSuperseded) return "replace"
  if (arrival.unsureBoundMs !== undefined && arrival.nowMs - load.run.oldestMs >= arrival.unsureBoundMs)
    return "replace"
  // Nobody can tell whether what has changed in another cache concerns it.
  if (load.run.hasForeignChanged) return "replace"
  const isUnchanged = load.seen === trie.stamp && load.stamp.asOf === trie.cursor
  if (isUnchanged) return arrival.unsureBoundMs === undefined ? "share" : "wait"
  // The rule decides when it lands: thousands of callers in one state need not all look at thousands of dependencies.
  if (flight.joinedIn === trie.stamp) return "wait"
  if (load.stamp.epoch !== trie.epoch || load.stamp.asOf < trie.floor) return "replace"
  if (freshnessOfDependencies(load.dependencies, load.stamp.asOf, trie) !== "fresh") return "replace"
  flight.joinedIn = trie.stamp
  return "wait"
}

/** Answers everyone who waits for a flight. */
export function settle(flight: Flight, outcome: Outcome): void {
  if (!outcome.isError) {
    flight.outcome.resolve(outcome.value)
    return
  }
  // Callers with a promise of their own see the error there. Where one got this promise, an error that it ignores is as
  // unhandled as that of its own loader would be.
  if (!flight.isHandedOut) flight.outcome.promise.catch(() => {})
  flight.outcome.reject(outcome.value)
}
