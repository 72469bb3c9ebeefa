import type { Counters } from "../entries/counters.js"
import { MANUAL, type Table } from "../entries/table.js"
import type { StoreStats } from "../ports/store.js"
import type { OpenCache } from "./open.js"

/** Counts of what happened since the cache was made, and sizes of what there is now. */
export interface Stats extends Counters {
  /** hits / (hits + misses), 0 without any. */
  readonly hitRatio: number
  /** Invalidations applied here, others' included. */
  readonly invalidations: number
  readonly faults: number
  /** Stored now. */
  readonly entries: number
  /**
   * As `sizeOf` tells, with some 300 per entry; 0 without a budget of bytes. May exceed `memory.maxBytes` for a moment, while
   * evictions go in slices.
   */
  readonly bytes: number
  /** Tags known now. */
  readonly tags: number
  /** Loads that run now. */
  readonly running: number
  /** Loads that wait for a slot of `maxLoads` now. */
  readonly waiting: number
  /** Contents of the shared tier now, all processes together; undefined without one. */
  readonly store: StoreStats | undefined
  /** By the name of the function, with `@version` where it has one; `""` are keys given by hand. */
  readonly functions: Readonly<Record<string, Readonly<Counters>>>
}

export function statsOf({ tables, changes, outbox, entries, trie, running, queue, shared }: OpenCache): Stats {
  const total = tables.totals()
  const functions = Object.create(null) as Record<string, Counters>
  for (const table of tables) functions[labelOf(table)] = { ...table.counters }
  const reads = total.hits + total.misses
  return {
    ...total,
    hitRatio: reads === 0 ? 0 : total.hits / reads,
    invalidations: changes.count,
    faults: outbox.faults,
    entries: entries.tier?.size ?? 0,
    bytes: entries.tier?.weight ?? 0,
    tags: trie.size,
    running: running.size,
    waiting: queue.waiting,
    store: shared?.stats(),
    functions,
  }
}

/** Different for different functions: in a name that holds an `@`, what stands behind the last one is the version. */
function labelOf({ functionName, version }: Table): string {
  if (functionName === MANUAL) return MANUAL
  if (version !== undefined) return `${functionName}@${String(version).replaceAll("%", "%25").replaceAll("@", "%40")}`
  return functionName.includes("@") ? `${functionName}@` : functionName
}
