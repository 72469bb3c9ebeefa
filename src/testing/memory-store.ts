import { compareRank } from "../codec/header.js"
import type { EntryCodec } from "../core/ports/codec.js"
import { StoreError } from "../core/base/errors.js"
import { isSameEpoch } from "../core/tags/version.js"
import type { Amendment, Rank, LocalStore, StoreStats } from "../core/ports/store.js"
import { copyBytes } from "./copy-bytes.js"

export interface MemoryStoreOptions {
  /** Reads the rank of an entry, and amends it. */
  readonly codec: Pick<EntryCodec, "decodeHeader" | "amend">
  /** The entries by key. Stores that are given the same Map are handles of one store. */
  readonly data?: Map<string, Uint8Array> | undefined
}

/**
 * A store that keeps entries in a Map, without a budget: the smallest that fulfils the contract. For tests of what uses a
 * store, and to begin a store of your own from.
 *
 * @example
 * const codec = createCodec()
 * const data = new Map()
 * const a = createCache({ store: new MemoryStore({ codec, data }), codec, memory: false })
 */
export class MemoryStore implements LocalStore {
  readonly #codec: Pick<EntryCodec, "decodeHeader" | "amend">
  readonly #data: Map<string, Uint8Array>
  #isClosed = false

  constructor(options: MemoryStoreOptions) {
    this.#codec = options.codec
    this.#data = options.data ?? new Map<string, Uint8Array>()
  }

  get(key: string): Uint8Array | undefined {
    if (this.#isClosed) throw closed("get")
    const stored = this.#data.get(key)
    // A copy: a touch changes what is stored in place.
    return stored && copyBytes(stored)
  }

  async put(key: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#isClosed) throw closed("put")
    const stored = this.#data.get(key)
    if (stored !== undefined && compareRank(this.#rankOf(stored), this.#rankOf(bytes)) > 0) return false
    // A copy: bytes that are a view would keep alive the whole buffer that they are a part of.
    this.#data.set(key, copyBytes(bytes))
    return true
  }

  async remove(key: string, rank: Rank): Promise<void> {
    if (this.#isClosed) throw closed("remove")
    const stored = this.#data.get(key)
    if (stored !== undefined && compareRank(this.#rankOf(stored), rank) <= 0) this.#data.delete(key)
  }

  async touch(key: string, rank: Rank, amendment: Amendment): Promise<void> {
    const stored = this.#isClosed ? undefined : this.#data.get(key)
    if (stored === undefined) return
    const known = this.#rankOf(stored)
    // Others may have lifted it since.
    const isIt = known.keyVersion === rank.keyVersion && isSameEpoch(known.epoch, rank.epoch) && known.asOf >= rank.asOf
    if (!isIt) return
    const { asOf, ...rest } = amendment
    this.#codec.amend(stored, asOf === undefined || asOf <= known.asOf ? rest : amendment)
  }

  stats(): StoreStats {
    let bytes = 0
    for (const stored of this.#data.values()) bytes += stored.byteLength
    return { entries: this.#data.size, bytes, queued: 0 }
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #rankOf(bytes: Uint8Array): Rank {
    return this.#codec.decodeHeader(bytes)
  }
}

function closed(operation: string): StoreError {
  return new StoreError(operation, new Error("it is closed"))
}
