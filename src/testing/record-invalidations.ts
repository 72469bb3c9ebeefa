import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { Cache } from "../core/cache/cache.js"
import type { InvalidateEvent } from "../core/base/events.js"

/** What a cache was told to invalidate while it was recorded, oldest first. */
export interface InvalidationRecord {
  /** Tags of `invalidate`; `""` is everything: `clear()`. Those of a scope are whole, as the log has them. */
  readonly tags: readonly string[]
  /** Tags of `expire`. */
  readonly expired: readonly string[]
  /** Whether `tag` or one above it was invalidated, as `user` covers `user:42`. */
  covers(tag: string): boolean
  /** Forgets what was recorded so far. */
  clear(): void
  /** Ends the recording; what was recorded stays. Twice is fine. */
  stop(): void
  [Symbol.dispose](): void
}

/**
 * Records what a cache invalidates, until it is stopped: also what comes from other caches and processes of a shared log. A
 * transaction counts when it has been committed.
 *
 * @example
 * const recorded = recordInvalidations(cache)
 * await renameUser(42)
 * assert.deepEqual(recorded.tags, ["user:42"])
 * recorded.stop()
 */
export function recordInvalidations(cache: Cache): InvalidationRecord {
  const { changes, outbox } = Cache.coreOf(cache)
  const tags: string[] = []
  const expired: string[] = []
  const known = new Set<string>()
  // Events name a cache by its prefix, which several may have: only those that this one has counted are its own.
  let counted = changes.count
  const hear = (message: unknown): void => {
    const { cache: prefix, kind, path, version } = message as InvalidateEvent
    if (prefix !== outbox.prefix || counted === changes.count) return
    counted += 1
    // Of a shared log, a change may be heard of by its acknowledgement and by a pull.
    const change = `${version} ${kind} ${path}`
    if (known.has(change)) return
    known.add(change)
    if (kind === "tag") tags.push(path)
    else if (kind === "expiry") expired.push(path)
  }
  const channel = "zoocache:invalidate"
  subscribe(channel, hear)
  const stop = (): void => {
    unsubscribe(channel, hear)
  }
  return {
    tags,
    expired,
    covers: (tag) => tags.some((path) => path === "" || path === tag || tag.startsWith(`${path}:`)),
    clear: () => {
      tags.length = 0
      expired.length = 0
    },
    stop,
    [Symbol.dispose]: stop,
  }
}

/**
 * Runs a change and checks that it makes entries stale: each of them is fresh before, and not after. For any test runner.
 *
 * @param keys what `keyOf` gives, or keys given by hand.
 * @throws Error that says which entry was not there, or stayed fresh although what was invalidated.
 * @example
 * await getUser(42)
 * await assertInvalidates(cache, getUser.keyOf(42), () => renameUser(42, "Ada"))
 */
export function assertInvalidates(
  cache: Cache,
  keys: string | readonly string[],
  change: () => unknown,
): Promise<void> {
  return assertAround(cache, keys, change, false)
}

/** The opposite of {@link assertInvalidates}: a change that these entries outlive. */
export function assertKeeps(cache: Cache, keys: string | readonly string[], change: () => unknown): Promise<void> {
  return assertAround(cache, keys, change, true)
}

async function assertAround(
  cache: Cache,
  keys: string | readonly string[],
  change: () => unknown,
  isKept: boolean,
): Promise<void> {
  const list = typeof keys === "string" ? [keys] : keys
  for (const key of list) {
    const { state, text } = cache.explain(key)
    if (state !== "fresh") throw new Error(`${key} is not fresh before the change, so nothing can be seen: ${text}`)
  }
  const recorded = recordInvalidations(cache)
  try {
    await change()
  } finally {
    recorded.stop()
  }
  const changed = [...recorded.tags, ...recorded.expired].map((tag) => (tag === "" ? "everything" : `\`${tag}\``))
  const did = changed.length === 0 ? "the change invalidated no tag" : `the change invalidated ${changed.join(", ")}`
  for (const key of list) {
    const { state, text } = cache.explain(key)
    if ((state === "fresh") === isKept) continue
    throw new Error(`${key} ${isKept ? `is ${state}` : "is still fresh"} after the change: ${text}; ${did}`)
  }
}
