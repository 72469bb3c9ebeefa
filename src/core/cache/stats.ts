import type { Engine } from "./engine.js"
import type { StoreStats } from "../ports/store.js"
import { type Counters, noCounts } from "../entries/table.js"

/** What happened since the cache was made. */
export interface Stats extends Counters {
  /** hits / (hits + misses), 0 without any. */
  readonly hitRatio: number
  /** Invalidations applied here, others' included. */
  readonly invalidations: number
  readonly faults: number
  /** Stored now. */
  readonly entries: number
  /** As `sizeOf` tells; 0 without a budget of bytes. */
  readonly bytes: number
  /** Tags known now. */
  readonly tags: number
  /** Loads that run now. */
  readonly running: number
  /** Loads that wait for a slot of `maxLoads` now. */
  readonly waiting: number
  /** What the shared tier holds now, all processes together; undefined without one. */
  readonly store: StoreStats | undefined
  /** By the name of the function; `""` are keys given by hand. */
  readonly functions: Readonly<Record<string, Readonly<Counters>>>
}

export function statsOf(engine: Engine): Stats {
  const total = noCounts()
  const functions = Object.create(null) as Record<string, Counters>
  for (const table of engine.tables.values()) {
    const name = table.version === undefined ? table.functionName : `${table.functionName}@${table.version}`
    functions[name] = { ...table.counters }
    for (const counter of Object.keys(total) as (keyof Counters)[]) total[counter] += table.counters[counter]
  }
  const reads = total.hits + total.misses
  return {
    ...total,
    hitRatio: reads === 0 ? 0 : total.hits / reads,
    invalidations: engine.invalidations,
    faults: engine.faults,
    entries: engine.tier?.size ?? 0,
    bytes: engine.tier?.weight ?? 0,
    tags: engine.trie.size,
    running: engine.running.size,
    waiting: engine.slots.waiting,
    store: engine.storeStats(),
    functions,
  }
}
