import type { Clock } from "../base/clock.js"
import type { Turn } from "../base/turn.js"
import { CorruptEntryError } from "../base/errors.js"
import type { Behaviour } from "../options/settings.js"
import type { EntryCodec, EntryHeader } from "../ports/codec.js"
import type { Rank } from "../ports/store.js"
import { type Dependencies, nodesOf } from "../tags/dependencies.js"
import { parseTag } from "../tags/tag.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp, TagTrie } from "../tags/tag-trie.js"
import { isSameEpoch, type Version } from "../tags/version.js"
import { splitKey } from "../values/function-key.js"
import type { EntryId } from "../values/id.js"
import { type Aged, type Aging, deadlineOf, expiryOf, NEVER } from "./age.js"
import type { Table } from "./table.js"

/** How far the wall clock may have been set back before entries with an end are given up. */
const CLOCK_TOLERANCE_MS = 1000

/** The properties of an entry that are written beside its value. */
export interface Written {
  readonly table: Table
  readonly id: EntryId
  readonly dependencies: Dependencies
  /** Epoch and `asOf` of its load, or the position it was set with. */
  readonly stamp: Stamp
  readonly keyVersion: Version | undefined
  readonly aged: Aged
}

export interface EncoderOptions {
  readonly codec: EntryCodec
  readonly trie: TagTrie
  readonly clock: Clock
  readonly turn: Turn
  /** False where values are only tried, for strict mode without a shared tier. */
  readonly isKept: boolean
}

/** Makes bytes of entries, as the shared tier keeps them. */
export class EntryEncoder {
  readonly #options: EncoderOptions

  constructor(options: EncoderOptions) {
    this.#options = options
  }

  /** The bytes of a value that is to be stored; undefined where it was only tried. Throws what is wrong with the value. */
  encode(value: unknown, written: Written): Uint8Array | undefined {
    const bytes = this.#options.codec.encode(this.#headerOf(written), value)
    return this.#options.isKept ? bytes : undefined
  }

  #headerOf({ table, id, dependencies, stamp, keyVersion, aged }: Written): EntryHeader {
    const { clock, turn, trie } = this.#options
    const wallMs = clock.wall()
    const { aging } = aged
    const expiresAtMs = aging === null ? expiryOf(aged) : aging.expiresAtMs
    const tags: string[] = []
    const keys: string[] = []
    for (const node of nodesOf(dependencies)) addPath(node, trie, tags, keys)
    const idleTtlMs = aging?.idleTtlMs ?? Number.POSITIVE_INFINITY
    return {
      key: table.keyOf(id),
      epoch: stamp.epoch,
      asOf: stamp.asOf,
      keyVersion: keyVersion === undefined || keyVersion === Number.POSITIVE_INFINITY ? stamp.asOf : keyVersion,
      storedAtMs: wallMs,
      expiresAtMs: wallMs + (expiresAtMs - turn.now),
      graceMs: aging?.graceMs ?? 0,
      idleTtlMs,
      idleUntilMs: wallMs + idleTtlMs,
      tags,
      keys,
    }
  }
}

/** Whether a stored entry can be of use at all, before its dependencies are looked at. Pure. */
export function isOfUse(header: EntryHeader, trie: Pick<TagTrie, "epoch" | "cursor" | "forgotten">, wallMs: number) {
  const isOfNow = isSameEpoch(header.epoch, trie.epoch) && header.asOf >= trie.forgotten
  // An entry from above the cursor was stored by a process that has seen more: the next look brings it.
  if (!isOfNow || header.asOf > trie.cursor) return false
  const endMs = Math.min(header.expiresAtMs, header.idleUntilMs) + header.graceMs
  // An entry from the future: the clock was set back, and nobody can tell how old it is.
  if (header.storedAtMs - wallMs > CLOCK_TOLERANCE_MS && endMs !== Number.POSITIVE_INFINITY) return false
  return wallMs < endMs
}

/** The age of a stored entry as this process counts it. Pure. */
export function agedOf(
  header: EntryHeader,
  times: { readonly nowMs: number; readonly wallMs: number; readonly retryAtMs: number },
  { earlyRefresh }: Behaviour,
): Aged {
  const { nowMs, wallMs, retryAtMs } = times
  const expiresAtMs = nowMs + (header.expiresAtMs - wallMs)
  const hasLife = header.expiresAtMs !== Number.POSITIVE_INFINITY
  const isDueEarly = earlyRefresh > 0 && hasLife
  const isSliding = header.idleTtlMs !== Number.POSITIVE_INFINITY
  if (header.graceMs === 0 && !isSliding && !isDueEarly) {
    return { deadlineMs: hasLife ? Math.floor(expiresAtMs) : NEVER, aging: null }
  }
  const lifeMs = header.expiresAtMs - header.storedAtMs
  const aging: Aging = {
    expiresAtMs,
    graceMs: header.graceMs,
    idleTtlMs: header.idleTtlMs,
    idleUntilMs: nowMs + Math.min(header.idleUntilMs - wallMs, header.idleTtlMs),
    refreshAtMs: isDueEarly ? expiresAtMs - lifeMs * (1 - earlyRefresh) : Number.POSITIVE_INFINITY,
    retryAtMs,
    shared: isSliding ? { rank: rankOf(header), idleUntilMs: header.idleUntilMs } : undefined,
  }
  return { deadlineMs: deadlineOf(aging), aging }
}

/**
 * The nodes of a stored entry's dependencies, each with one use more. Throws `CorruptEntryError`, and then has none.
 *
 * @param prefix the tag of the scope of the entry, empty without one.
 */
export function acquireDependencies({ tags, keys }: EntryHeader, trie: TagTrie, prefix: string): TagNode[] {
  const acquired: TagNode[] = []
  try {
    const depth = prefix === "" ? 0 : parseTag(prefix).length
    for (const tag of tags) {
      const isInside = depth > 0 && tag.startsWith(`${prefix}:`)
      acquired.push(trie.acquireDependency(parseTag(tag), isInside ? depth : 0))
    }
  } catch (error) {
    for (const node of acquired) trie.release(node)
    throw new CorruptEntryError("a tag that it depends on is none", error)
  }
  for (const key of keys) acquired.push(trie.acquire(splitKey(key), trie.keyRoot))
  return acquired
}

export function rankOf({ epoch, keyVersion, asOf }: EntryHeader): Rank {
  return { epoch, keyVersion, asOf }
}

/** Adds what a node stands for: the path of a tag, or the public key of an entry. */
function addPath(node: TagNode, { root, keyRoot }: TagTrie, tags: string[], keys: string[]): void {
  let path = String(node.segment)
  let at = node.parent
  if (at !== null && at.parent === keyRoot) {
    keys.push(String(at.segment) + path)
    return
  }
  for (; at !== null && at !== root; at = at.parent) path = `${at.segment}:${path}`
  tags.push(path)
}
