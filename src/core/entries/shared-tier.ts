import type { Clock } from "../base/clock.js"
import { inRootContext } from "../base/contexts.js"
import { asStoreError } from "../base/errors.js"
import type { Lifetime } from "../base/lifetime.js"
import type { Outbox } from "../base/outbox.js"
import type { Turn } from "../base/turn.js"
import type { LogClient } from "../log/log-client.js"
import type { CacheSettings } from "../options/settings.js"
import type { EntryCodec, EntryHeader } from "../ports/codec.js"
import type { LocalStore, RemoteStore, Store, StoreStats } from "../ports/store.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { isSameEpoch } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { Arrivals } from "./arrivals.js"
import type { Entries } from "./entries.js"
import type { HeldEntries } from "./held-entries.js"
import { Retries } from "./retries.js"
import { type OwnWrite, SharedWrites } from "./shared-writes.js"
import type { Entry, Intake, Table } from "./table.js"

/** Longest wait of a read for the log, where it meets an entry from above the cursor. */
const CATCH_UP_MS = 250
const NOTHING_ASKED: Answer = { bytes: undefined }

/** Bytes as a store answered, with their header once it has been looked at; or its failure. */
type Answer = { readonly bytes: Uint8Array | undefined; header?: EntryHeader | undefined } | { readonly error: unknown }

const answerOf = (bytes: Uint8Array | undefined): Answer => ({ bytes, header: undefined })
const failureOf = (error: unknown): Answer => ({ error })

/** A read of a remote store that is under way. */
interface Fetch {
  readonly entry: Promise<Entry | undefined>
  /** This process has said a newer word on the key since. */
  written: OwnWrite | undefined
}

export interface SharedTierOptions {
  readonly store: Store
  readonly codec: EntryCodec
  readonly settings: CacheSettings
  readonly clock: Clock
  readonly turn: Turn
  readonly trie: TagTrie
  readonly entries: Entries
  readonly held: HeldEntries
  readonly client: Pick<LogClient, "catchUp">
  readonly outbox: Outbox
  readonly lifetime: Lifetime
}

/**
 * The shared tier as one cache sees it: entries that other processes stored, or this one before it forgot them. The same
 * rule decides about them as about entries in memory; a store only keeps bytes.
 *
 * None of its faults fails a call: what can't be read is a miss, what can't be written is counted and told.
 */
export class SharedTier {
  readonly #options: SharedTierOptions
  readonly #store: Store
  readonly #codec: EntryCodec
  readonly #arrivals: Arrivals
  /** Reads under way, by key. */
  readonly #fetches = new Map<string, Fetch>()
  readonly writes: SharedWrites
  readonly retries = new Retries()

  constructor(options: SharedTierOptions) {
    this.#options = options
    this.#store = options.store
    this.#codec = options.codec
    this.writes = new SharedWrites({
      ...options,
      onWrite: (key, write) => {
        const fetch = this.#fetches.get(key)
        if (fetch !== undefined) fetch.written = write
        return this.retries.renewing(key)
      },
    })
    const { writes, retries, isRemote } = this
    this.#arrivals = new Arrivals({ ...options, writes, retries, isRemote })
  }

  /** Counts of what is stored now, as the store tells; undefined where it can't. */
  stats(): StoreStats | undefined {
    const { lifetime, outbox } = this.#options
    try {
      return lifetime.isOver ? undefined : this.#store.stats()
    } catch (error) {
      outbox.fault(asStoreError("tell its stats", error))
      return undefined
    }
  }

  /** Reads have to be waited for: {@link SharedTier.fetch} instead of {@link SharedTier.find}. */
  get isRemote(): boolean {
    return this.#store.remote === true
  }

  /** The entry of a key in a store at hand, if it is fresh by the rule and of any use, taken into memory on the way. */
  find(table: Table, id: EntryId, intake: Intake): Entry | undefined {
    // Before the log was first read, nothing could be told of what is found.
    if (this.#options.trie.epoch.ordinal === 0) return undefined
    const key = table.keyOf(id)
    let found: Entry | undefined
    try {
      const word = this.writes.of(key)
      const bytes = word === undefined ? (this.#store as LocalStore).get(key) : word.bytes
      if (bytes !== undefined) found = this.#arrivals.take(table, id, key, bytes, intake)
    } catch (error) {
      this.#readFailed(error, key)
    }
    return this.#counted(table, found)
  }

  /**
   * The same of a remote store: all who ask for a key meanwhile share one read. The rule is applied when it has arrived,
   * so its answer is as good for the last who came as for the first. Never rejects.
   */
  fetch(table: Table, id: EntryId, intake: Intake, isLatest = false): Promise<Entry | undefined> {
    const key = table.keyOf(id)
    const fetch = this.#fetches.get(key)
    if (fetch !== undefined) return fetch.entry
    // In the root context, here and below: a read belongs to none of those who share it, and a write to nobody.
    return inRootContext(() => this.#begin(table, id, key, this.#askOne(key, isLatest), intake, isLatest))
  }

  isFetching(table: Table, id: EntryId): boolean {
    return this.#fetches.has(table.keyOf(id))
  }

  /** The same for several keys at once. Keys that nobody asks for yet arrive together. */
  fetchMany(table: Table, ids: readonly EntryId[], intake: Intake): Promise<Entry | undefined>[] {
    const keys = ids.map((id) => table.keyOf(id))
    const asked = new Map<string, EntryId>()
    keys.forEach((key, index) => {
      if (!this.#fetches.has(key)) asked.set(key, ids[index])
    })
    inRootContext(() => {
      const asking = this.#askAll([...asked.keys()])
      let index = 0
      for (const [key, id] of asked) {
        const at = index++
        const answer = asking.then((answers) => answers[at] as Answer)
        void this.#begin(table, id, key, answer, intake, false)
      }
    })
    return keys.map((key) => (this.#fetches.get(key) as Fetch).entry)
  }

  #begin(
    table: Table,
    id: EntryId,
    key: string,
    asking: Promise<Answer>,
    intake: Intake,
    isLatest: boolean,
  ): Promise<Entry | undefined> {
    const entry = this.#arrive(table, id, key, asking, intake, isLatest)
    this.#fetches.set(key, { entry, written: undefined })
    return entry
  }

  // Promises instead of async functions, here and in the next but one: every read passes through them.
  #askOne(key: string, isLatest: boolean): Promise<Answer> {
    return this.#ask(key, isLatest).then((answer) =>
      this.#isAhead(answer) ? this.#options.client.catchUp(CATCH_UP_MS).then(() => answer) : answer,
    )
  }

  /** All answers at once, also where some are there before others or some need a look at the log. */
  async #askAll(keys: readonly string[]): Promise<Answer[]> {
    const answers = await Promise.all(keys.map((key) => this.#ask(key, false)))
    if (answers.some((answer) => this.#isAhead(answer))) await this.#options.client.catchUp(CATCH_UP_MS)
    return answers
  }

  #ask(key: string, isLatest: boolean): Promise<Answer> {
    // Before the log was first read, nothing could be told of what is found.
    if (this.#options.trie.epoch.ordinal === 0) return Promise.resolve(NOTHING_ASKED)
    const word = this.writes.of(key)
    if (word !== undefined) return Promise.resolve(word)
    try {
      return Promise.resolve((this.#store as RemoteStore).get(key, isLatest)).then(answerOf, failureOf)
    } catch (error) {
      return Promise.resolve({ error })
    }
  }

  async #arrive(
    table: Table,
    id: EntryId,
    key: string,
    asking: Promise<Answer>,
    intake: Intake,
    isLatest: boolean,
  ): Promise<Entry | undefined> {
    const answer = await asking
    const written = this.#fetches.get(key)?.written
    this.#fetches.delete(key)
    if (this.#options.lifetime.isOver || table.isReplaced) return undefined
    // Whether this process is still up to date is looked at after the last wait.
    this.#options.turn.read()
    let found: Entry | undefined
    try {
      if (written === undefined && "error" in answer) throw answer.error
      const { bytes, header } = written ?? (answer as Exclude<Answer, { error: unknown }>)
      if (bytes !== undefined) found = this.#arrivals.take(table, id, key, bytes, intake, header)
    } catch (error) {
      this.#readFailed(error, key)
    }
    // A caller that looks for another node's value has had its miss before.
    return isLatest && found === undefined ? undefined : this.#counted(table, found)
  }

  /** Whether the process that stored an entry had seen more of the log than this one has. */
  #isAhead(answer: Answer): boolean {
    if ("error" in answer || answer.bytes === undefined) return false
    const { trie } = this.#options
    try {
      const { epoch, asOf } = (answer.header = this.#codec.decodeHeader(answer.bytes))
      return isSameEpoch(epoch, trie.epoch) ? asOf > trie.cursor : epoch.ordinal > trie.epoch.ordinal
    } catch {
      // The fault is told where its key is looked at.
      return false
    }
  }

  #counted({ counters }: Table, found: Entry | undefined): Entry | undefined {
    if (found === undefined) counters.storeMisses += 1
    else counters.storeHits += 1
    return found
  }

  #readFailed(error: unknown, key: string): void {
    this.#options.outbox.fault(asStoreError("read", error), key)
  }
}
