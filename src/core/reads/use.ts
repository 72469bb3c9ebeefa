import { channels } from "../base/events.js"
import { expiryOf, slide } from "../entries/age.js"
import { type Entry, promiseOf } from "../entries/table.js"
import type { Run } from "../loads/run.js"
import { cloneValue } from "../values/clone-value.js"
import type { Isolation } from "../values/isolation.js"
import type { ReadContext } from "./context.js"

/**
 * Counts a hit, passes on what the entry depends on, lets it slide, and tells of it: listeners may do anything, also to
 * this entry.
 */
export function use({ turn, trie, entries, shared, outbox }: ReadContext, entry: Entry, run: Run | undefined): void {
  entry.table.counters.hits += 1
  // Memory may not have kept what came from the shared tier.
  if (entry.slot >= 0) entries.tier?.touch(entry)
  const { aging } = entry
  if (aging !== null && slide(aging, turn.now)) shared?.writes.slide(entry)
  inheritEntry({ turn, trie }, entry, run)
  if (channels.hit.hasSubscribers) outbox.publish(channels.hit, entry.table.event(entry.id))
}

/** Passes on what an entry depends on, and how long it lives, to the load that looks at it. */
export function inheritEntry(
  { turn, trie }: Pick<ReadContext, "turn" | "trie">,
  entry: Entry,
  run: Run | undefined,
): void {
  if (run === undefined) return
  if (entry.rare?.isSecret === true) run.useSecret()
  run.inherit(entry.dependencies, expiryOf(entry), turn.now)
  // Served although nobody knows whether it is still right.
  if (trie.trusted === null) run.taint()
}

/** A caller in grace gets the expired value, and nothing that used it may be kept. */
export function useInGrace(context: ReadContext, entry: Entry, run: Run | undefined): void {
  entry.table.counters.graceHits += 1
  use(context, entry, run)
  run?.taint()
}

/** The promise of an entry's value, for one caller. */
export function promiseFor(entry: Entry): Promise<unknown> {
  if (entry.rare?.isCloned !== true) return promiseOf(entry)
  return Promise.resolve(cloneIfPossible(entry.value))
}

/** The value of an entry, for one caller. */
export function valueFor(entry: Entry): unknown {
  return entry.rare?.isCloned === true ? cloneIfPossible(entry.value) : entry.value
}

/** A value for one caller. */
export function isolated(value: unknown, isolation: Isolation): unknown {
  return isolation === "clone" ? cloneIfPossible(value) : value
}

/** A value that can't be cloned was reported when it was loaded, and is not kept: callers get it as it is. */
export function cloneIfPossible(value: unknown): unknown {
  try {
    return cloneValue(value)
  } catch {
    return value
  }
}
