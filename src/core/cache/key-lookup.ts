import { CacheClosedError, InvalidKeyError } from "../base/errors.js"
import { currentFrame } from "../loads/frame.js"
import type { Entry, Table } from "../entries/table.js"
import type { Looks } from "../reads/look.js"
import { visitNode } from "../reads/visit.js"
import type { Scope } from "../tags/scope.js"
import { parseFunctionKey } from "../values/function-key.js"
import type { EntryId } from "../values/id.js"
import type { View } from "./definition.js"

/** The place of a public key: its table, its id there, and the scope that it belongs to. */
export interface KeyPlace {
  readonly table: Table
  readonly id: EntryId
  readonly scope: Scope
}

/** Finds the places of public keys, as one view of a cache may name them. */
export class KeyLookup {
  readonly #view: View
  // Fields of their own, because every hit of a key given by hand looks at them.
  readonly #isWhole: boolean
  readonly #looks: Looks
  readonly #manual: Table

  constructor(view: View) {
    this.#view = view
    this.#isWhole = view.scope.isWhole
    this.#looks = view.core.reader.looks
    this.#manual = view.core.tables.manual
  }

  /** The entry of a key given by hand, where a hit needs no closer look. */
  quickHit(key: unknown): Entry | undefined {
    return this.#isPlain(key) ? this.#looks.quickHit(this.#manual, key) : undefined
  }

  /** Whether a key is its own id, without a look at what it may stand for. */
  #isPlain(key: unknown): key is string {
    return this.#isWhole && typeof key === "string" && !key.startsWith("ƒ")
  }

  /** The place of a key; undefined for that of a function which is not defined here. Throws `InvalidKeyError`. */
  find(key: string): KeyPlace | undefined {
    const { core, scope } = this.#view
    if (this.#isPlain(key) && key !== "") return { table: this.#manual, id: key, scope }
    if (typeof key !== "string" || !key.startsWith("ƒ:")) {
      return { table: core.tables.manual, id: scope.manualId(key), scope: scope.ofKey(key) }
    }
    const parts = parseFunctionKey(key)
    if (parts === undefined) return undefined
    if (!scope.owns(parts.name)) {
      throw new InvalidKeyError(key, `it belongs to a function outside of the scope \`${scope.prefix}\``)
    }
    const table = core.tables.find(parts.name, parts.version)
    return table === undefined ? undefined : { table, id: parts.id, scope: scope.ofFunction(parts.name) }
  }

  /** The same, where there must be one. With `writing`, the name of the call, the cache must be open. */
  resolve(key: string, writing?: string): KeyPlace {
    if (writing !== undefined && this.#view.core.lifetime.isOver) throw new CacheClosedError(writing)
    const place = this.find(key)
    if (place === undefined) {
      throw new InvalidKeyError(key, "no function of that name and version is defined in this process")
    }
    return place
  }

  /** The same for a value that is set by hand: a key of a function is refused, since `prime` knows how it is kept. */
  resolveManual(key: string, writing: string): KeyPlace {
    const place = this.resolve(key, writing)
    if (place.table.isManual) return place
    throw new InvalidKeyError(
      key,
      "it is the key of a cached function, whose `deps`, `ttl` and other options `" +
        writing +
        "` does not know. Call `fn.prime([...args], value, { asOf })` of that function instead",
    )
  }

  /** The same for a read, whose load depends on a key that nothing is defined for, too. `asking` is the name of the call. */
  findToRead(key: string, asking: string): KeyPlace | undefined {
    if (this.#view.core.lifetime.isOver) throw new CacheClosedError(asking)
    const place = this.find(key)
    if (place === undefined) this.#visitUnknown(key)
    return place
  }

  /** Reads a key without loading it. */
  read(key: string, asking: string, isQuiet = false): Promise<{ value: unknown } | undefined> {
    const { core } = this.#view
    const place = this.findToRead(key, asking)
    if (place === undefined) return Promise.resolve(undefined)
    const { table, id } = place
    if (core.reader.looks.canFetch(table, id)) return core.reader.find(table, id, currentFrame(), isQuiet)
    return Promise.resolve(core.reader.peek(table, id, currentFrame(), isQuiet))
  }

  /** A load that has found nothing under the key of a function that is not defined here depends on that key all the same. */
  #visitUnknown(key: string): void {
    const { trie, tables } = this.#view.core
    const path = tables.resolve({ kind: "key", path: key })?.path
    if (path !== undefined) visitNode(key, trie, () => trie.acquire(path, trie.keyRoot))
  }
}
