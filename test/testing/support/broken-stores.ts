import type { EntryCodec } from "../../../src/core/ports/codec.js"
import { StoreError } from "../../../src/core/base/errors.js"
import type { LocalStore, Rank, RemoteStore } from "../../../src/core/ports/store.js"
import { copyBytes } from "../../../src/testing/copy-bytes.js"
import { MemoryStore } from "../../../src/testing/memory-store.js"
import { RemoteMemoryStore } from "../../../src/testing/remote-memory-store.js"

export type MakeStore = (options: { readonly codec: EntryCodec; readonly data: Map<string, Uint8Array> }) => LocalStore

interface Whole {
  readonly good: MemoryStore
  readonly data: Map<string, Uint8Array>
  readonly codec: EntryCodec
  /** The rank of what is stored under a key. */
  readonly rankAt: (key: string) => Rank | undefined
}

/** A store that keeps to the contract, but for what `part` does in another way. */
function broken(part: (whole: Whole) => Partial<LocalStore>): MakeStore {
  return ({ codec, data }) => {
    const good = new MemoryStore({ codec, data })
    const rankAt = (key: string) => {
      const bytes = data.get(key)
      return bytes === undefined ? undefined : codec.decodeHeader(bytes)
    }
    const faithful: LocalStore = {
      get: (key) => good.get(key),
      put: (key, bytes) => good.put(key, bytes),
      remove: (key, rank) => good.remove(key, rank),
      touch: (key, rank, amendment) => good.touch(key, rank, amendment),
      stats: () => good.stats(),
      close: () => good.close(),
    }
    return { ...faithful, ...part({ good, data, codec, rankAt }) }
  }
}

/** A store that knows keys by another name, under which some of them meet. */
function underKeys(nameOf: (key: string) => string): MakeStore {
  return broken(({ good }) => ({
    get: (key) => good.get(nameOf(key)),
    put: (key, bytes) => good.put(nameOf(key), bytes),
    remove: (key, rank) => good.remove(nameOf(key), rank),
    touch: (key, rank, amendment) => good.touch(nameOf(key), rank, amendment),
  }))
}

/** A store that compares ranks in its own way. */
function byRank(isAbove: (stored: Rank, given: Rank) => boolean): MakeStore {
  return broken(({ data, codec, rankAt }) => ({
    put: async (key, bytes) => {
      const stored = rankAt(key)
      if (stored !== undefined && isAbove(stored, codec.decodeHeader(bytes))) return false
      data.set(key, copyBytes(bytes))
      return true
    },
    remove: async (key, rank) => {
      const stored = rankAt(key)
      if (stored !== undefined && !isAbove(stored, rank)) data.delete(key)
    },
  }))
}

const later = () => new Promise<void>((resolve) => setImmediate(resolve))

const UNUSUAL_KEYS = "unusual keys are kept apart"
const REPLACES = "an entry replaces one of the same epoch unless that has a higher rank"
const VISIBLE = "what is put is there byte by byte, at every handle, when its promise resolves"
const AMENDS = "a touch amends what it is given, and nothing else"
const AFTER_CLOSE = "after close() reads throw, writes reject, a touch does nothing, and nothing is stored"
const CLOSE = "close() resolves when what was queued is written, and leaves other handles alone"
const ORDER = "writes of one handle take effect in the order of their calls"
const MANY = "many entries at once are all there, each with its own value"
const STATS = "stats tell whole numbers, no more than there is, and that nothing waits when nothing does"

/** What is wrong with a store, the test of the suite that is there to see it, and the store. */
export const BROKEN_STORES: readonly (readonly [wrong: string, caughtBy: string, make: MakeStore])[] = [
  ["has no rank rule", REPLACES, byRank(() => false)],
  ["puts asOf before keyVersion", REPLACES, byRank((a, b) => a.asOf > b.asOf)],
  ["compares keyVersion alone", REPLACES, byRank((a, b) => a.keyVersion > b.keyVersion)],
  [
    "compares versions whatever their epoch",
    "an entry of a higher epoch outranks one of a lower epoch, whatever their versions",
    byRank((a, b) => a.keyVersion > b.keyVersion || (a.keyVersion === b.keyVersion && a.asOf > b.asOf)),
  ],
  [
    "compares versions as integers of 32 bits",
    "rank is told by numbers, not by their digits or their lowest bits",
    byRank((a, b) => (a.keyVersion | 0) > (b.keyVersion | 0)),
  ],
  [
    "compares versions as text",
    "rank is told by numbers, not by their digits or their lowest bits",
    byRank((a, b) => String(a.keyVersion) > String(b.keyVersion)),
  ],
  [
    "refuses an entry of the rank that is stored",
    "a repeated put is one entry",
    broken(({ good, data }) => ({ put: async (key, bytes) => !data.has(key) && good.put(key, bytes) })),
  ],
  [
    "checks the rank and writes in two steps",
    "of writes of several handles at once the highest rank stays, in whatever order they came",
    broken(({ data, codec, rankAt }) => ({
      put: async (key, bytes) => {
        const stored = rankAt(key)
        if (stored !== undefined && stored.keyVersion > codec.decodeHeader(bytes).keyVersion) return false
        await later()
        data.set(key, copyBytes(bytes))
        return true
      },
    })),
  ],
  [
    "removes whatever the rank",
    "an entry is removed unless it is above the rank that is given",
    broken(({ data }) => ({ remove: async (key) => void data.delete(key) })),
  ],
  [
    "removes an entry of the very rank only",
    "an entry is removed unless it is above the rank that is given",
    broken(({ good, rankAt }) => ({
      remove: async (key, rank) => {
        if (rankAt(key)?.asOf === rank.asOf) await good.remove(key, rank)
      },
    })),
  ],
  [
    "removes what is below a key with it",
    "what was removed is gone at every handle when the promise resolves, and nothing else is",
    broken(({ data }) => ({
      remove: async (key) => {
        for (const each of data.keys()) if (each.startsWith(key)) data.delete(each)
      },
    })),
  ],
  [
    "rejects to remove what is not there",
    "removing what is not there, or twice, does no harm",
    broken(({ good, data }) => ({
      remove: async (key, rank) => {
        if (!data.has(key)) throw new StoreError("remove", new Error("there is none"))
        await good.remove(key, rank)
      },
    })),
  ],
  [
    "amends an entry of any rank",
    "a touch amends the entry that it means, also one that was lifted since, and no other",
    broken(({ data, codec }) => ({
      touch: async (key, _rank, amendment) => {
        const bytes = data.get(key)
        if (bytes !== undefined) codec.amend(bytes, amendment)
      },
    })),
  ],
  [
    "amends an entry of any epoch",
    "a touch amends the entry that it means, also one that was lifted since, and no other",
    broken(({ good, rankAt }) => ({
      touch: async (key, rank, amendment) =>
        good.touch(key, { ...rank, epoch: rankAt(key)?.epoch ?? rank.epoch }, amendment),
    })),
  ],
  ["ignores a touch", AMENDS, broken(() => ({ touch: async () => {} }))],
  [
    "takes what a touch leaves out for 0",
    AMENDS,
    broken(({ good }) => ({
      touch: (key, rank, amendment) => good.touch(key, rank, { idleUntilMs: 0, ...amendment }),
    })),
  ],
  [
    "lifts asOf beside the entry, where the rank rule does not look",
    "a touch that lifts asOf gives the entry a new rank",
    broken(({ good, codec, rankAt }) => {
      const lifted = new Map<string, number>()
      return {
        get: (key) => {
          const bytes = good.get(key)
          const asOf = lifted.get(key)
          if (bytes !== undefined && asOf !== undefined) codec.amend(bytes, { asOf })
          return bytes
        },
        touch: async (key, rank, { asOf, ...rest }) => {
          if (asOf !== undefined && rankAt(key)?.asOf === rank.asOf) lifted.set(key, asOf)
          await good.touch(key, rank, rest)
        },
      }
    }),
  ],
  [
    "brings an entry back when it is touched",
    "a touch makes no entry, and does not reject for want of one",
    broken(({ good, data }) => {
      const known = new Map<string, Uint8Array>()
      return {
        put: (key, bytes) => {
          known.set(key, copyBytes(bytes))
          return good.put(key, bytes)
        },
        touch: async (key, rank, amendment) => {
          const bytes = known.get(key)
          if (bytes !== undefined && !data.has(key)) data.set(key, bytes)
          await good.touch(key, rank, amendment)
        },
      }
    }),
  ],
  [
    "rejects a touch of what is not there",
    "a touch makes no entry, and does not reject for want of one",
    broken(({ good, data }) => ({
      touch: async (key, rank, amendment) => {
        if (!data.has(key)) throw new StoreError("touch", new Error("there is none"))
        await good.touch(key, rank, amendment)
      },
    })),
  ],
  [
    "loses a write now and then",
    MANY,
    broken(({ good }) => {
      let puts = 0
      return { put: async (key, bytes) => (++puts % 1_000 === 0 ? true : good.put(key, bytes)) }
    }),
  ],
  [
    "keeps entries in one buffer that it uses again",
    MANY,
    broken(({ data }) => {
      const scratch = new Uint8Array(4_000_000)
      return {
        put: async (key, bytes) => {
          scratch.set(bytes)
          data.set(key, scratch.subarray(0, bytes.byteLength))
          return true
        },
      }
    }),
  ],
  [
    "resolves before a write is visible",
    VISIBLE,
    broken(({ good }) => ({
      put: async (key, bytes) => {
        void later()
          .then(() => good.put(key, bytes))
          .catch(() => {})
        return true
      },
    })),
  ],
  [
    "remembers what another handle has not written yet",
    VISIBLE,
    broken(({ good }) => {
      const absent = new Set<string>()
      return {
        get: (key) => {
          const bytes = absent.has(key) ? undefined : good.get(key)
          if (bytes === undefined) absent.add(key)
          return bytes
        },
        put: (key, bytes) => {
          absent.delete(key)
          return good.put(key, bytes)
        },
      }
    }),
  ],
  [
    "keeps the whole buffer behind the bytes",
    "bytes that are a part of a larger buffer are put without the rest, and the rest stays as it is",
    broken(({ data }) => ({
      put: async (key, bytes) => Boolean(data.set(key, new Uint8Array(bytes.buffer.slice(0)))),
    })),
  ],
  [
    "transfers the buffer behind the bytes to its writer",
    "bytes that are a part of a larger buffer are put without the rest, and the rest stays as it is",
    broken(({ good }) => ({
      put: (key, bytes) => good.put(key, structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })),
    })),
  ],
  [
    "gives out the bytes that a touch changes in place",
    "bytes that were read stay as they are until the next call of the same handle",
    broken(({ data }) => ({ get: (key) => data.get(key) })),
  ],
  [
    "notes each read in the bytes",
    "a read changes nothing: the same bytes again, however often",
    broken(({ good, data, codec }) => ({
      get: (key) => {
        const bytes = good.get(key)
        const stored = data.get(key)
        if (stored !== undefined) codec.amend(stored, { idleUntilMs: 1 })
        return bytes
      },
    })),
  ],
  [
    "cuts values off",
    "values of any size come back whole",
    broken(({ good }) => ({ get: (key) => good.get(key)?.subarray(0, 65_536) })),
  ],
  [
    "writes an entry over the one before",
    "an entry may shrink and grow",
    broken(({ data }) => ({
      put: async (key, bytes) => {
        const room = data.get(key)
        if (room === undefined || room.byteLength < bytes.byteLength) data.set(key, copyBytes(bytes))
        else room.set(bytes)
        return true
      },
    })),
  ],
  ["knows keys in UTF-8", UNUSUAL_KEYS, underKeys((key) => Buffer.from(key).toString())],
  ["knows keys by their Unicode normal form", UNUSUAL_KEYS, underKeys((key) => key.normalize())],
  ["knows keys up to the first NUL", UNUSUAL_KEYS, underKeys((key) => key.split("\0")[0] ?? "")],
  ["knows keys by their first 511 characters", UNUSUAL_KEYS, underKeys((key) => key.slice(0, 511))],
  ["trims keys", UNUSUAL_KEYS, underKeys((key) => key.trim())],
  ["knows keys in lower case", UNUSUAL_KEYS, underKeys((key) => key.toLowerCase())],
  [
    "keeps entries as properties of an object",
    UNUSUAL_KEYS,
    broken(({ data }) => {
      const entries: Record<string, Uint8Array> = {}
      return {
        get: (key) => entries[key],
        put: async (key, bytes) => {
          entries[key] = bytes
          return Boolean(data.set(key, bytes))
        },
      }
    }),
  ],
  [
    "writes the newest call first",
    ORDER,
    broken(({ good }) => {
      const queue: (() => Promise<void>)[] = []
      const queued = <Reply>(write: () => Promise<Reply>) =>
        new Promise<Reply>((resolve, reject) => {
          queue.push(() => write().then(resolve, reject))
          queueMicrotask(() => void queue.pop()?.())
        })
      return {
        put: (key, bytes) => queued(() => good.put(key, bytes)),
        remove: (key, rank) => queued(() => good.remove(key, rank)),
        touch: (key, rank, amendment) => queued(() => good.touch(key, rank, amendment)),
      }
    }),
  ],
  [
    "touches at once and puts later",
    ORDER,
    broken(({ good }) => ({ put: (key, bytes) => later().then(() => good.put(key, bytes)) })),
  ],
  [
    "drops what is queued when it closes",
    CLOSE,
    broken(({ good }) => {
      let isClosed = false
      return {
        put: async (key, bytes) => {
          await later()
          return !isClosed && good.put(key, bytes)
        },
        close: async () => {
          isClosed = true
          await later()
          await good.close()
        },
      }
    }),
  ],
  [
    "closes every handle with one",
    CLOSE,
    broken(({ good, data }) => ({
      get: (key) => {
        if (data.has("closed")) throw new StoreError("get", new Error("it is closed"))
        return good.get(key)
      },
      close: async () => {
        data.set("closed", new Uint8Array())
        await good.close()
      },
    })),
  ],
  ["goes on after it was closed", AFTER_CLOSE, broken(() => ({ close: async () => {} }))],
  [
    "finds nothing after it was closed",
    AFTER_CLOSE,
    broken(({ good }) => ({
      get: (key) => {
        try {
          return good.get(key)
        } catch {
          return undefined
        }
      },
    })),
  ],
  [
    "throws where it should reject",
    AFTER_CLOSE,
    broken(({ good }) => {
      let isClosed = false
      return {
        put: (key, bytes) => {
          if (isClosed) throw new StoreError("put", new Error("it is closed"))
          return good.put(key, bytes)
        },
        close: () => {
          isClosed = true
          return good.close()
        },
      }
    }),
  ],
  [
    "fails with errors of its own",
    AFTER_CLOSE,
    broken(({ good }) => ({
      remove: (key, rank) =>
        good.remove(key, rank).catch(() => {
          throw new Error("the store is closed")
        }),
    })),
  ],
  [
    "fails to close again",
    "close() twice is fine",
    broken(() => {
      let isClosed = false
      return {
        close: async () => {
          if (isClosed) throw new StoreError("close", new Error("it is closed"))
          isClosed = true
        },
      }
    }),
  ],
  [
    "counts writes for entries",
    STATS,
    broken(({ good }) => {
      let entries = 0
      return {
        put: (key, bytes) => {
          entries += 1
          return good.put(key, bytes)
        },
        stats: () => ({ ...good.stats(), entries }),
      }
    }),
  ],
  [
    "never counts a queued write as written",
    STATS,
    broken(({ good }) => {
      let queued = 0
      return {
        put: (key, bytes) => {
          queued += 1
          return good.put(key, bytes)
        },
        stats: () => ({ ...good.stats(), queued }),
      }
    }),
  ],
  [
    "answers entries that nobody put",
    "a key without an entry has none",
    broken(({ good }) => ({ get: (key) => good.get(key) ?? new Uint8Array() })),
  ],
]

/** The same for what only a remote store can have wrong. */
export const BROKEN_REMOTE_STORES: readonly (readonly [
  wrong: string,
  caughtBy: string,
  make: (options: Parameters<MakeStore>[0]) => RemoteStore,
])[] = [
  [
    "gives out the bytes that it keeps",
    "bytes that were read stay as they are until the next call of the same handle",
    ({ codec, data }) =>
      Object.assign(new RemoteMemoryStore({ codec, data }), { get: async (key: string) => data.get(key) }),
  ],
  [
    "throws where a read should reject",
    AFTER_CLOSE,
    ({ codec, data }) => {
      const behind = new MemoryStore({ codec, data })
      const get = (key: string) => Promise.resolve(behind.get(key))
      const close = () => behind.close()
      return Object.assign(new RemoteMemoryStore({ codec, data }), { get, close })
    },
  ],
]
