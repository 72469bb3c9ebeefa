import { freshnessOfDependencies } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import type { Lease } from "../ports/leases.js"
import type { Load } from "./running.js"
import type { Run } from "./run.js"
import type { Table } from "../entries/table.js"
import type { TagTrie } from "../tags/tag-trie.js"

/** A promise with its handles. */
export class Deferred {
  readonly promise: Promise<unknown>
  resolve!: (value: unknown) => void
  reject!: (error: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

/** A load, or one that waits for its slot, that several callers share. */
export class Flight {
  readonly table: Table
  readonly id: EntryId
  readonly outcome = new Deferred()
  /** Undefined while it waits for a slot or for its batch: it has not begun, so everyone may join. */
  load: Load | undefined
  /** Its place in the order of begins and arrivals. */
  beganAt = 0
  /** How many callers wait for it; those that can't leave stay counted for ever. */
  waiters = 0
  /** Runs that wait for it and inherit what it depends on. */
  readonly parents: Run[] = []
  /** Those who came after something had changed: they take its result only if it is fresh when it lands. */
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

  /** What whoever waits for this waits for in the end. */
  get flight(): Flight {
    return this
  }
}

/** Callers that arrived while a flight was under way that may be too old for them. They share what comes of it. */
export class LateGroup {
  readonly outcome = new Deferred()
  /** What they wait for now: the flight that was under way, then the next one. */
  flight: Flight
  /** The place of the newest of them in the order of begins and arrivals. */
  lastArrival = 0
  waiters = 0
  isHandedOut = false
  readonly parents: Run[] = []
  /** The flight that they wait for is the next one, and counts them among its waiters. */
  hasMoved = false
  /** One of them holds a slot: the next flight may not wait for another. */
  isNested = false
  /** One of them holds a lease: the next flight may not wait for another node. */
  mayNotWait = false
  /** Starts the next flight, as the first of them would have, and moves the group to it. */
  readonly startNext: (group: LateGroup) => Flight

  constructor(flight: Flight, startNext: (group: LateGroup) => Flight) {
    this.flight = flight
    this.startNext = startNext
  }
}

export type Join =
  /** Nothing changed since it began: its result is as good as that of a load of one's own. */
  | "share"
  /** Something changed, perhaps nothing that concerns it: when it lands, the rule decides. */
  | "wait"
  /** Its result can't be used, whatever it is. */
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

/**
 * Whoever holds a lease has come to wait for this: neither it, nor what it waits for, may wait for another node from now
 * on. So nobody who waits for a lease keeps the holder of another one waiting.
 */
export function hurry(flight: Flight): void {
  if (flight.mayNotWait) return
  flight.mayNotWait = true
  flight.stopWaiting?.()
  const run = flight.load?.run
  if (run === undefined || run.isSettled) return
  run.mayNotWait = true
  for (const waited of run.waitsFor) {
    if (waited instanceof LateGroup) waited.mayNotWait = true
    hurry(waited.flight)
  }
}

/**
 * The path of keys along which the innermost of the `around` runs (given from the inside out, each waiting for the one
 * before) would wait for itself if it waited for `target`; undefined if there is none. Runs wait for flights, and a
 * flight's own run may wait in turn.
 */
export function findCycle(target: Flight | LateGroup, around: readonly Run[]): string[] | undefined {
  let met = -1
  const path: string[] = []
  const visited = new Set<Flight>()
  const visit = (flight: Flight): boolean => {
    if (visited.has(flight)) return false
    visited.add(flight)
    path.push(flight.table.keyOf(flight.id))
    const run = flight.load?.run
    met = run === undefined ? -1 : around.indexOf(run)
    if (met >= 0) return true
    if (run !== undefined && !run.isSettled) {
      for (const next of run.waitsFor) if (visit(next.flight)) return true
    }
    path.pop()
    return false
  }
  if (!visit(target.flight)) return undefined
  const inner = around.slice(0, met).reverse()
  return [...path, ...inner.map((run) => run.current.key), path[0] as string]
}
