import { isStringArray, boolean, checkNames } from "../options/checks.js"
import { InvalidOptionError } from "../base/errors.js"
import { currentFrame } from "../loads/frame.js"
import type { Found } from "../reads/lookup.js"
import type { Version } from "../tags/version.js"
import type { View } from "./definition.js"
import { namesOf } from "./explain.js"
import type { KeyPlace } from "./key-lookup.js"
import type { OpenCache } from "./open.js"

/** Options of `lookup`. */
export interface LookupOptions {
  /** Also takes an entry that has expired, for as long as it is kept: its `grace` at least. Never one that was invalidated. */
  expired?: boolean | undefined
  /**
   * Tags that must not have been invalidated, or expired, since the load of the entry began, whether or not it depends on them.
   * A miss where nobody can say so.
   */
  deps?: readonly string[] | undefined
}

/** A stored value, with what is known of it. */
export interface LookedUp<T> {
  readonly value: T
  readonly state: "fresh" | "expired"
  /** When its load began, or when it was set. */
  readonly storedAt: Date
  /** When it expires, or has expired; undefined if never. */
  readonly expiresAt: Date | undefined
  /** Tags, and keys of other entries. */
  readonly dependencies: readonly string[]
  /**
   * The place in the order of changes at which its load began; nothing moves it. Undefined where nobody knows: an entry that
   * comes from a store, or from an earlier life of the log.
   */
  readonly version: Version | undefined
}

const LOOKUP_NAMES = new Set(["expired", "deps"])
/** The last moment that a `Date` can name. */
const LAST_DATE_MS = 8.64e15

/** Looks for the entry of a key. Throws `InvalidOptionError`, `InvalidTagError`. */
export async function lookUpKey(
  { core, scope }: View,
  find: () => KeyPlace | undefined,
  options: LookupOptions,
): Promise<LookedUp<unknown> | undefined> {
  checkNames(options, LOOKUP_NAMES, "lookup")
  const { expired = false, deps = [] } = options
  const isExpiredFine = boolean(expired, "expired")
  if (!isStringArray(deps)) throw new InvalidOptionError("deps", deps, "it must be an array of tags")
  for (const tag of deps) scope.path(tag)
  const place = find()
  if (place === undefined) return undefined
  const tags = [...deps]
  const acquireDeps = () => tags.map((tag) => scope.acquire(tag))
  const { table, id } = place
  const found = await core.reader.lookups.find({ table, id, frame: currentFrame(), isExpiredFine, acquireDeps })
  return found && lookedUp(core, found)
}

function lookedUp({ trie, clock, turn }: OpenCache, found: Found): LookedUp<unknown> {
  const { value, isExpired, dependencies, bornMs, expiryMs, loadedAt } = found
  const sinceMs = clock.wall() - turn.now
  const expiresAtMs = sinceMs + expiryMs
  return {
    value,
    state: isExpired ? "expired" : "fresh",
    storedAt: new Date(sinceMs + bornMs),
    expiresAt: expiresAtMs <= LAST_DATE_MS ? new Date(expiresAtMs) : undefined,
    dependencies: namesOf(trie, dependencies),
    version: loadedAt,
  }
}
