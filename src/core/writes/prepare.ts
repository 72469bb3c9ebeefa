import type { Duration } from "../base/duration.js"
import { parseDuration } from "../base/duration.js"
import { asHookError, asStoreError, EntryTooLargeError, InvalidOptionError } from "../base/errors.js"
import type { Outbox } from "../base/outbox.js"
import type { Turn } from "../base/turn.js"
import { type Aged, agingOf, lookedAtAlways } from "../entries/age.js"
import type { Entries } from "../entries/entries.js"
import type { EntryEncoder } from "../entries/stored-form.js"
import { rareOf, type Sources, type Table } from "../entries/table.js"
import { currentFrame, frameLeftIncluded } from "../loads/frame.js"
import { loadOf, runOf } from "../loads/run.js"
import { isStringArray } from "../options/checks.js"
import type { Behaviour, CacheSettings } from "../options/settings.js"
import type { Dependencies } from "../tags/dependencies.js"
import { freshnessOf } from "../tags/freshness.js"
import { type Position, readPosition } from "../tags/position.js"
import type { Scope } from "../tags/scope.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp, TagTrie } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { assertNoThenable } from "../values/thenable.js"
import { isObject } from "../values/inspect-object.js"
import { assertReusable, isolate } from "../values/isolation.js"
import type { SetByHand } from "./latest-sets.js"

/** A value and the place where it is to be stored. */
export interface Item {
  readonly table: Table
  readonly id: EntryId
  readonly value: unknown
  /** The view that `deps` are named in. */
  readonly scope: Scope
  /** The scope of the key, whose tag the entry depends on: the caller may know the key from outside of it. */
  readonly keyScope: Scope
  readonly behaviour: Behaviour
  readonly deps: readonly string[]
  /** Milliseconds; the default of `behaviour` where undefined. */
  readonly ttlMs: number | undefined
  /** Undefined: inside a load its start, else now. */
  readonly asOf: Position | undefined
  readonly sizeOf: ((value: unknown) => number) | undefined
  /** False where a hook does not want it kept: older entries of its key go all the same. */
  readonly isWanted: boolean
}

/** An item that is ready to be stored. Nodes have one use each, which the caller releases. */
export interface Prepared {
  readonly item: Item
  readonly value: unknown
  readonly nodes: readonly TagNode[]
  readonly stamp: Stamp
  /** The same place, as of now: a stamp may move on. */
  readonly loadedAt: Stamp
  /** The form of the shared tier; undefined without one. */
  readonly bytes: Uint8Array | undefined
  /** Against a budget of bytes; undefined where no tier may keep it: it is not wanted, or could not be brought back as it is. */
  readonly weight: number | undefined
  /** When it ends, counted from when it was set; undefined where that is at once. The same in both tiers. */
  readonly aged: Aged | undefined
  readonly isSecret: boolean
  readonly sources: Sources | null
  /** When it was set, in the time of `Turn.now`. */
  readonly setAtMs: number
}

export interface PreparerOptions {
  readonly settings: CacheSettings
  readonly trie: TagTrie
  readonly turn: Turn
  readonly outbox: Outbox
  readonly entries: Entries
  readonly encoder: EntryEncoder | undefined
}

const NOT_ENCODED = Object.freeze({ bytes: undefined, isRefused: false })

/** Makes entries of values that are set by hand. */
export class Preparer {
  readonly #options: PreparerOptions

  constructor(options: PreparerOptions) {
    this.#options = options
  }

  /** Throws what is wrong with the value, its options or its tags; then no node is held. */
  prepare(item: Item): Prepared {
    const { table, id, value, behaviour, scope, keyScope, deps } = item
    assertNoThenable(value)
    // Freezing looks at all of it first.
    const isLookedAt = behaviour.isolation === "freeze" || typeof value !== "object" || value === null
    if (!isLookedAt) assertReusable(value, table.keyOf(id))
    let isolated = value
    if (isObject(value)) {
      const { value: its, sharedCount } = isolate(value, behaviour.isolation, table.keyOf(id))
      isolated = its
      table.counters.shared += sharedCount
    }
    const nodes: TagNode[] = []
    try {
      const own = keyScope.acquireOwn()
      if (own !== undefined) nodes.push(own)
      for (const tag of deps.length < 2 ? deps : new Set(deps)) nodes.push(scope.acquire(tag))
      const stamp = this.#stampOf(item.asOf)
      const loadedAt = stamp === this.#options.trie.stamp ? this.#options.trie.moment : stamp
      const latestExpiryMs = runOf(currentFrame(), this.#options.trie)?.latestExpiryMs ?? Number.POSITIVE_INFINITY
      const aged = this.#agedFor(item, latestExpiryMs)
      // What was made of private values is as private as they are.
      const around = runOf(currentFrame()) ?? loadOf(frameLeftIncluded(), this.#options.trie)?.run
      const isSecret = item.behaviour.isSecret || around?.isSecret === true
      const isTried = item.behaviour.tiers === "all" && !isSecret
      const { bytes, isRefused } = isTried ? this.#encode(item, isolated, nodes, stamp, aged) : NOT_ENCODED
      const isKept = item.isWanted && !isRefused && !table.isReplaced
      // All user code comes before the append: what it says of the key is older than the value.
      const weight = isKept ? this.#weigh(item, isolated) : undefined
      return {
        item,
        value: isolated,
        nodes,
        stamp,
        loadedAt,
        bytes,
        weight,
        aged,
        isSecret,
        sources: item.behaviour.revalidates ? { inherited: [], latestExpiryMs } : null,
        setAtMs: this.#options.turn.current(),
      }
    } catch (error) {
      this.release(nodes)
      throw error
    }
  }

  /**
   * Keeps a value that was set, if nothing that it depends on has changed since its source was read.
   *
   * @param keyVersion null where it is known to be the newest word on its key, Infinity while the log has not said so.
   */
  store(prepared: Prepared, keyVersion: Version | null): SetByHand | undefined {
    const { trie, turn, entries } = this.#options
    const { item, value, nodes, stamp, bytes, weight, aged } = prepared
    const { table, id, behaviour } = item
    const dependencies: Dependencies = nodes.length === 0 ? null : nodes.length === 1 ? (nodes[0] as TagNode) : nodes
    const subject = { stamp, dependencies, keyNode: table.keyNode, keyVersion: Number.POSITIVE_INFINITY }
    const isFresh = stamp.asOf >= trie.forgotten && freshnessOf(subject, trie) === "fresh"
    if (!isFresh) table.counters.staleLoads += 1
    if (!isFresh || aged === undefined || weight === undefined) return undefined
    const isCloned = behaviour.isolation === "clone"
    const { isSecret, sources } = prepared
    const isPlain = keyVersion === null && !isCloned && !isSecret && sources === null
    const rare = isPlain ? null : rareOf({ isCloned, isSecret, sources, keyVersion: keyVersion ?? undefined })
    const entry = entries.store({
      table,
      id,
      value,
      dependencies,
      loadedAt: prepared.loadedAt.asOf,
      aged: isCloned ? lookedAtAlways(aged) : aged,
      rare,
      weight,
      bornMs: turn.current(),
    })
    return { table, id, entry, bytes, epoch: stamp.epoch, asOf: prepared.loadedAt.asOf }
  }

  release(nodes: readonly TagNode[]): void {
    for (const node of nodes) this.#options.trie.release(node)
  }

  #weigh({ table, id, sizeOf }: Item, value: unknown): number | undefined {
    const { entries, outbox } = this.#options
    try {
      return entries.weigh(table, id, value, sizeOf)
    } catch (error) {
      const key = table.keyOf(id)
      outbox.fault(asHookError("sizeOf", key, error), key)
      return undefined
    }
  }

  #agedFor({ ttlMs, behaviour }: Item, latestExpiryMs: number): Aged | undefined {
    const { turn, settings } = this.#options
    return agingOf(ttlMs ?? behaviour.ttlMs, behaviour, turn.current(), settings.random, latestExpiryMs)
  }

  /** Throws what is wrong with the value in strict mode; else it is told, and the value kept nowhere. */
  #encode(
    { table, id, isWanted }: Item,
    value: unknown,
    nodes: readonly TagNode[],
    stamp: Stamp,
    aged: Aged | undefined,
  ): { readonly bytes: Uint8Array | undefined; readonly isRefused: boolean } {
    const { settings, encoder, outbox } = this.#options
    if (encoder === undefined || aged === undefined || !isWanted) return NOT_ENCODED
    try {
      const bytes = encoder.encode(value, { table, id, dependencies: nodes, stamp, keyVersion: undefined, aged })
      return { bytes, isRefused: false }
    } catch (error) {
      const refusal = asStoreError("encode", error)
      if (settings.strict && !(refusal instanceof EntryTooLargeError)) throw refusal
      outbox.fault(refusal, table.keyOf(id))
      return { bytes: undefined, isRefused: true }
    }
  }

  /** The position in the order of changes at which the source of a value was read, as far as we are told. */
  #stampOf(asOf: Position | undefined): Stamp {
    const { trie } = this.#options
    if (asOf !== undefined) return readPosition(asOf, trie)
    const frame = frameLeftIncluded()
    if (frame === undefined) return trie.stamp
    // Until a transaction commits, the current stamp may move on with the cursor.
    return loadOf(frame, trie)?.stamp ?? trie.moment
  }
}

/** Options of `set`. */
export interface SetOptions {
  deps?: readonly string[] | undefined
  ttl?: Duration | undefined
  /** The place in the order of changes at which its source was read; see `cache.position()`. */
  asOf?: Position | undefined
}

/** Checks the options of `set`. Throws `InvalidOptionError`. */
export function checkSetOptions({ deps, ttl, asOf }: SetOptions): Pick<Item, "deps" | "ttlMs" | "asOf"> {
  if (deps !== undefined && !isStringArray(deps)) {
    throw new InvalidOptionError("deps", deps, "it must be an array of tags")
  }
  return { deps: deps ?? [], ttlMs: ttl === undefined ? undefined : parseDuration(ttl, "ttl"), asOf }
}
