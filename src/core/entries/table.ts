import type { Entry } from "./entry.js"
import type { Flight } from "../loads/flight.js"
import { type EntryId, encodeId, functionKey } from "../values/id.js"
import type { Load } from "../loads/running.js"
import type { Intake } from "./shared-tier.js"
import type { TagNode } from "../tags/tag-node.js"

/** What happened in one table. All numbers only grow. */
export interface Counters {
  /** Reads answered from a stored value. */
  hits: number
  /** Reads that found nothing they could use; those that joined a load are among them. */
  misses: number
  /** Misses that waited for a load that another had started, so that they cost none of their own. */
  joins: number
  loads: number
  loadErrors: number
  loadTimeouts: number
  /** Values kept. */
  stores: number
  /** Loads whose value could not be kept because something they depended on was invalidated meanwhile. */
  staleLoads: number
  /** Stored values given up because something they depended on was invalidated. */
  stale: number
  expired: number
  evicted: number
  /** Reads answered with an expired value in grace. */
  graceHits: number
  /** Loads started in the background, because a value was due or expired in grace. */
  refreshes: number
  /** Hits, and reads in grace, that memory did not have and the shared tier had. */
  storeHits: number
  /** Reads that found nothing of use in the shared tier either. */
  storeMisses: number
  /** Loads that had the lease of their key: with `singleflight: "cluster"`. */
  leases: number
  /** Times that this process waited for the load of another node. */
  leaseWaits: number
  /** Loads saved: another node's value came instead. */
  leaseHits: number
  /** Waits that were over before there was a value, so that this process loaded by itself. */
  leaseTimeouts: number
  /** Values that hold objects which can't be frozen, so all callers share them as they are. */
  shared: number
}

export function noCounts(): Counters {
  return {
    hits: 0,
    misses: 0,
    joins: 0,
    loads: 0,
    loadErrors: 0,
    loadTimeouts: 0,
    stores: 0,
    staleLoads: 0,
    stale: 0,
    expired: 0,
    evicted: 0,
    graceHits: 0,
    refreshes: 0,
    storeHits: 0,
    storeMisses: 0,
    leases: 0,
    leaseWaits: 0,
    leaseHits: 0,
    leaseTimeouts: 0,
    shared: 0,
  }
}

/** The name of the table of all keys that users give by hand. */
export const MANUAL = ""

/** The entries of one cached function, or all those with keys given by hand, and what is under way for them. */
export class Table {
  /** Unique in its cache; the name of its node among the keys. */
  readonly name: string
  readonly functionName: string
  readonly version: string | number | undefined
  /** Invalidating it invalidates every entry of this table. */
  readonly keyNode: TagNode
  readonly entries = new Map<EntryId, Entry>()
  /** The flight that a caller of an id may join. */
  readonly flights = new Map<EntryId, Flight>()
  /** All running loads of an id, those that nobody may join any more included; linked by `nextOfKey`. */
  readonly #running = new Map<EntryId, Load>()
  readonly counters = noCounts()
  /** A later definition of the same name has taken over: nothing may be stored here any more. */
  isReplaced = false
  /** How entries of the shared tier are taken in where no call says it. */
  intake: Intake

  constructor(
    name: string,
    functionName: string,
    version: string | number | undefined,
    keyNode: TagNode,
    intake: Intake,
  ) {
    this.name = name
    this.functionName = functionName
    this.version = version
    this.keyNode = keyNode
    this.intake = intake
  }

  get isManual(): boolean {
    return this.name === MANUAL
  }

  /** The public key of an id. */
  keyOf(id: EntryId): string {
    return this.isManual ? (id as string) : this.name + encodeId(id)
  }

  /** How the key node's child of an id is called. */
  segmentOf(id: EntryId): string {
    return this.isManual ? (id as string) : encodeId(id)
  }

  addRunning(load: Load): void {
    load.nextOfKey = this.#running.get(load.id)
    this.#running.set(load.id, load)
  }

  removeRunning(load: Load): void {
    const first = this.#running.get(load.id)
    if (first === load) {
      if (load.nextOfKey === undefined) this.#running.delete(load.id)
      else this.#running.set(load.id, load.nextOfKey)
      return
    }
    for (let at = first; at !== undefined; at = at.nextOfKey) {
      if (at.nextOfKey !== load) continue
      at.nextOfKey = load.nextOfKey
      return
    }
  }

  /** No running load of this id may be stored any more: a newer word on the key has been said. */
  supersede(id: EntryId): void {
    for (let at = this.#running.get(id); at !== undefined; at = at.nextOfKey) at.isSuperseded = true
  }

  /** The same for the loads that began before this one. */
  supersedeOlder(load: Load): void {
    for (let at = load.nextOfKey; at !== undefined; at = at.nextOfKey) at.isSuperseded = true
  }

  get runningCount(): number {
    return this.#running.size
  }
}

/** The name of the table of a function: its part of every key. */
export function tableNameOf(functionName: string, version: string | number | undefined): string {
  return functionKey(functionName, version, undefined)
}
