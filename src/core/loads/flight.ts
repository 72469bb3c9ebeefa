import { Deferred } from "../base/waits.js"
import type { Table } from "../entries/table.js"
import type { Lease } from "../ports/leases.js"
import { freshnessOfDependencies } from "../tags/freshness.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { EntryId } from "../values/id.js"
import type { Outcome } from "./outcome.js"
import type { Load, Run, Waited } from "./run.js"

/** A load, or one that waits for its slot, that several callers share. */
export class Flight implements Waited {
  readonly table: Table
  readonly id: EntryId
  readonly outcome = new Deferred()
  /** Undefined while it waits for a slot or for its batch: it has not begun, so everyone may join. */
  load: Load | undefined
  /** Place of its begin in the order of begins and arrivals. */
  beganAt = 0
  /** How many callers wait for it; those that can't leave stay counted for ever. */
  waiters = 0
  /** Runs that wait for it and inherit what it depends on. */
  readonly parents: Run[] = []
  /** Callers that came after something had changed: they take its result only if it is fresh when it lands. */
  late: LateGroup | undefined
  isLanded = false
  /** Somebody holds the promise itself. */
  isHandedOut = false
  /** Shared with nobody and not stored: it may have seen what a transaction has not committed. */
  readonly isPrivate: boolean
  /** Starts it out of turn, on the slot of a caller that holds one; undefined once it has begun. */
  beginNow: (() => void) | undefined
  /** Gives up the place in the queue; undefined once it has begun. */
  leaveQueue: (() => void) | undefined
  /** Somebody who waits for it holds a slot: it may not wait for another. */
  isNested = false
  /** The right to load this key in the whole fleet, while it is loaded. */
  lease: Lease | undefined
  /** Ends a wait for the load of another node; undefined while there is none. */
  stopWaiting: (() => void) | undefined
  /** Somebody who waits for it holds a lease: it may not wait for another node. */
  mayNotWait = false
  /** Somebody wants a load that begins from now on: what another node has loaded will not do. */
  needsLoad = false

  constructor(table: Table, id: EntryId, isPrivate: boolean) {
    this.table = table
    this.id = id
    this.isPrivate = isPrivate
  }

  get key(): string {
    return this.table.keyOf(this.id)
  }

  get run(): Run | undefined {
    return this.load?.run
  }

  /** Nobody waits for it any more, nor for what comes after it. */
  get isAbandoned(): boolean {
    return this.waiters === 0 && (this.late === undefined || this.late.waiters === 0)
  }

  /** Neither it, nor what it waits for, may wait for another node: a holder of one lease never waits for another. */
  hurry(): void {
    if (this.mayNotWait) return
    this.mayNotWait = true
    this.stopWaiting?.()
    const { run } = this
    if (run === undefined || run.isSettled) return
    run.mayNotWait = true
    for (const waited of run.waitsFor) waited.hurry()
  }
}

/** Callers that arrived while a flight was under way that may be too old for them. They share what comes of it. */
export class LateGroup implements Waited {
  readonly outcome = new Deferred()
  /** The flight that they wait for: the one that was under way, then the next one. */
  flight: Flight
  /** The place of the newest of them in the order of begins and arrivals. */
  lastArrival = 0
  waiters = 0
  isHandedOut = false
  readonly parents: Run[] = []
  /** The flight that they wait for is the next one, and counts them among its waiters. */
  hasMoved = false
  /** A caller among them holds a slot: the next flight may not wait for another. */
  isNested = false
  /** A caller among them holds a lease: the next flight may not wait for another node. */
  mayNotWait = false
  /** Starts the next flight, as the first of them would have, and moves the group to it. */
  readonly startNext: (group: LateGroup) => Flight

  constructor(flight: Flight, startNext: (group: LateGroup) => Flight) {
    this.flight = flight
    this.startNext = startNext
  }

  /** The callers share another flight from here on. */
  moveTo(next: Flight): void {
    next.waiters += this.waiters
    for (const parent of this.parents) next.parents.push(parent)
    this.flight = next
    this.hasMoved = true
    next.outcome.promise.then(
      (value) => settle(this, { isError: false, value }),
      (error: unknown) => settle(this, { isError: true, value: error }),
    )
  }

  get key(): string {
    return this.flight.key
  }

  get run(): Run | undefined {
    return this.flight.run
  }

  hurry(): void {
    this.mayNotWait = true
    this.flight.hurry()
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
  const isUnchanged = load.seen === trie.stamp && load.stamp.asOf === trie.cursor
  if (isUnchanged) return arrival.unsureBoundMs === undefined ? "share" : "wait"
  if (load.stamp.epoch !== trie.epoch || load.stamp.asOf < trie.floor) return "replace"
  return freshnessOfDependencies(load.dependencies, load.stamp.asOf, trie.root) === "fresh" ? "wait" : "replace"
}

/** Answers everyone who waits for a flight or in a late group. */
export function settle(waited: Flight | LateGroup, outcome: Outcome): void {
  if (!outcome.isError) {
    waited.outcome.resolve(outcome.value)
    return
  }
  // Callers with a promise of their own see the error there. Where one got this promise, an error that it ignores is as
  // unhandled as that of its own loader would be.
  if (!waited.isHandedOut) waited.outcome.promise.catch(() => {})
  waited.outcome.reject(outcome.value)
}
