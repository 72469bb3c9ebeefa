import type { Clock } from "../base/clock.js"
import { inRootContext } from "../base/contexts.js"
import type { Turn } from "../base/turn.js"
import { asStoreError, CorruptEntryError, HookError } from "../base/errors.js"
import type { Lifetime } from "../base/lifetime.js"
import type { Outbox } from "../base/outbox.js"
import type { LogClient } from "../log/log-client.js"
import type { CacheSettings } from "../options/settings.js"
import type { EntryCodec, EntryHeader } from "../ports/codec.js"
import type { Amendment, LocalStore, Rank, RemoteStore, Store, StoreStats } from "../ports/store.js"
import { type Dependencies, expiredSince, freshnessOf } from "../tags/freshness.js"
import { prefixOfFunction, prefixOfKey } from "../tags/scope.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { isSameEpoch, NO_VERSION, TICKS_PER_MS, type Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { freezeOwn, isolate } from "../values/isolation.js"
import { isThenable } from "../values/thenable.js"
import { type Aging, deadlineOf, expiredAging, lookedAtAlways } from "./age.js"
import type { Entries, Stored } from "./entries.js"
import type { HeldEntries } from "./held-entries.js"
import { acquireDependencies, agedOf, isOfUse, rankOf } from "./stored-form.js"
import { Entry, type Intake, isAbsent, type Table } from "./table.js"

/** Age up to which a read of an entry leaves its place among the used ones as it is. */
const YOUNG_MS = 60_000
/** Reads of older entries of which one is noted as a use. */
const NOTED_USES = 8
/** Age of `asOf` from which a fresh entry is lifted in the store, or earlier where the log forgets faster. */
const OLD_TICKS = 60_000 * TICKS_PER_MS
/** A sliding entry is written anew when this part of its time has passed. */
const SLIDE_PART = 1 / 8
/** Longest wait of a read for the log, where it meets an entry from above the cursor. */
const CATCH_UP_MS = 250
/** Keys whose next retry is remembered; the longest since postponed are forgotten first. */
const MOST_RETRIES = 1000
const NOTHING_ASKED: Answer = { bytes: undefined }

/** Bytes as a store answered, with their header once it has been looked at; or its failure. */
type Answer = { readonly bytes: Uint8Array | undefined; header?: EntryHeader | undefined } | { readonly error: unknown }

const answerOf = (bytes: Uint8Array | undefined): Answer => ({ bytes, header: undefined })
const failureOf = (error: unknown): Answer => ({ error })

/** The newest write of this process under a key; without bytes where it has removed the entry. */
interface OwnWrite {
  readonly bytes: Uint8Array | undefined
  header?: EntryHeader | undefined
}

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
  /** The newest write of each key that is under way. */
  readonly #writing = new Map<string, OwnWrite>()
  /** Reads under way, by key. */
  readonly #fetches = new Map<string, Fetch>()
  /** When entries that have expired, and that memory does not keep, may be loaded again, by key. */
  readonly #retries = new Map<string, number>()

  constructor(options: SharedTierOptions) {
    this.#options = options
    this.#store = options.store
    this.#codec = options.codec
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
      const word = this.#writing.size === 0 ? undefined : this.#writing.get(key)
      const bytes = word === undefined ? (this.#store as LocalStore).get(key) : word.bytes
      if (bytes !== undefined) found = this.#read(table, id, key, bytes, intake)
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
    const word = this.#writing.size === 0 ? undefined : this.#writing.get(key)
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
      if (bytes !== undefined) found = this.#read(table, id, key, bytes, intake, header)
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

  /** The key of an expired entry is not loaded again before then, in the time of `Turn.now`. */
  postpone(key: string, retryAtMs: number): void {
    this.#retries.delete(key)
    for (const [oldest] of this.#retries) {
      if (this.#retries.size < MOST_RETRIES) break
      this.#retries.delete(oldest)
    }
    this.#retries.set(key, retryAtMs)
  }

  /** A failed load of what has expired keeps the next one away; known by its key where memory does not keep the entry. */
  postponeRetry(key: string, entry: Entry | undefined, retryAtMs: number): void {
    if (entry === undefined || entry.slot < 0) this.postpone(key, retryAtMs)
  }

  #retryAtMs(key: string, nowMs: number): number {
    if (this.#retries.size === 0) return nowMs
    const retryAtMs = this.#retries.get(key) ?? nowMs
    if (retryAtMs <= nowMs) this.#retries.delete(key)
    return retryAtMs
  }

  /** Writes in the background; the promise is for who wants to know whether it was stored, and never rejects. */
  async put(key: string, bytes: Uint8Array): Promise<boolean> {
    const writing = inRootContext(() => this.#write(key, bytes, () => this.#store.put(key, bytes)))
    return (await writing) === true
  }

  /** The same for a value that was set by hand, when the log has given it its version. */
  putSet(key: string, bytes: Uint8Array, keyVersion: Version): Promise<void> {
    try {
      this.#codec.amend(bytes, { keyVersion })
    } catch (error) {
      this.#writeFailed(error, key)
      return Promise.resolve()
    }
    return this.put(key, bytes).then(() => {})
  }

  /** A load's result is not kept, but is the newest word on its key. */
  remove(key: string, rank: Rank): void {
    void inRootContext(() => this.#write(key, undefined, () => this.#store.remove(key, rank)))
  }

  /** Until it is done, this process reads what it has written: `undefined` for what it has removed. */
  async #write(key: string, bytes: Uint8Array | undefined, write: () => Promise<unknown>): Promise<unknown> {
    // Each write has its own: two may write the same.
    const word: OwnWrite = { bytes }
    this.#writing.set(key, word)
    const fetch = this.#fetches.get(key)
    if (fetch !== undefined) fetch.written = word
    try {
      return await write()
    } catch (error) {
      this.#writeFailed(error, key)
      return undefined
    } finally {
      if (this.#writing.get(key) === word) this.#writing.delete(key)
    }
  }

  /** A touch that fails is lost, which only brings an end forward. */
  #touch(key: string, rank: Rank, amendment: Amendment): void {
    try {
      void inRootContext(() =>
        this.#store.touch(key, rank, amendment).catch((error: unknown) => this.#writeFailed(error, key)),
      )
    } catch (error) {
      this.#writeFailed(error, key)
    }
  }

  /** A sliding entry goes to the store with its present end. */
  noteWritten(aging: Aging, rank: Rank): void {
    if (aging.idleTtlMs === Number.POSITIVE_INFINITY) return
    aging.shared = { rank, idleUntilMs: this.#options.clock.wall() + aging.idleTtlMs }
  }

  /** A sliding entry was used in memory: others, and this process after a restart, must see it slide too. */
  slide(entry: Entry): void {
    const { aging } = entry
    const shared = aging?.shared
    if (aging === null || shared === undefined) return
    const wallMs = this.#options.clock.wall()
    if (wallMs + aging.idleTtlMs - shared.idleUntilMs < aging.idleTtlMs * SLIDE_PART) return
    shared.idleUntilMs = wallMs + aging.idleTtlMs
    this.#touch(entry.table.keyOf(entry.id), shared.rank, { idleUntilMs: shared.idleUntilMs })
  }

  /** Takes an entry in and keeps it up in the store. Listeners hear of it when both is done: they may make it stale. */
  #read(
    table: Table,
    id: EntryId,
    key: string,
    bytes: Uint8Array,
    intake: Intake,
    header = this.#codec.decodeHeader(bytes),
  ): Entry | undefined {
    return this.#options.outbox.whole(() => this.#readWhole(table, id, key, bytes, intake, header))
  }

  #readWhole(
    table: Table,
    id: EntryId,
    key: string,
    bytes: Uint8Array,
    intake: Intake,
    header: EntryHeader,
  ): Entry | undefined {
    const { trie, turn, clock, entries, held } = this.#options
    const wallMs = clock.wall()
    // A store may keep two keys in one place.
    if (header.key !== key || !isOfUse(header, trie, wallMs)) return undefined
    const acquired = acquireDependencies(
      header,
      trie,
      table.isManual ? prefixOfKey(key) : prefixOfFunction(table.functionName),
    )
    let areHeld = false
    try {
      const dependencies: Dependencies =
        acquired.length === 0 ? null : acquired.length === 1 ? (acquired[0] as (typeof acquired)[0]) : acquired.slice()
      const judge = () => {
        const stamp = { epoch: trie.epoch, asOf: header.asOf }
        const keyNode = table.keyNodeOf(id) ?? table.keyNode
        return isOfUse(header, trie, wallMs)
          ? freshnessOf({ stamp, dependencies, keyNode, keyVersion: header.keyVersion }, trie)
          : "stale"
      }
      // A first look spares most stale entries the decoding. Hooks are user code: the last look comes after them.
      if (judge() === "stale") return undefined
      const value = this.#takeIn(table, key, bytes, intake)
      const weight = entries.weigh(table, id, value, intake.sizeOf)
      const freshness = judge()
      if (freshness === "stale") return undefined
      const times = { nowMs: turn.now, wallMs, retryAtMs: this.#retryAtMs(key, turn.now) }
      let aged = agedOf(header, times, intake.behaviour)
      if (freshness === "expired") {
        const aging = expiredAging(aged, Math.min(turn.now, expiredSince(dependencies, header.asOf, trie.root)))
        aged = { aging, deadlineMs: deadlineOf(aging) }
      }
      const isCloned = intake.behaviour.isolation === "clone"
      if (isCloned) aged = lookedAtAlways(aged)
      const rare = isCloned
        ? { isError: false, isCloned, failures: 0, keyVersion: undefined, rivalVersion: NO_VERSION }
        : null
      const bornMs = turn.now - Math.max(0, wallMs - header.storedAtMs)
      const stored: Stored = { table, id, value, dependencies, aged, rare, weight, bornMs }
      const entry = entries.store(stored) ?? new Entry(table, id, value, dependencies, trie.stamp, aged, rare)
      if (entry.slot < 0 || this.isRemote) {
        held.holdForTurn(entry)
        areHeld = true
      }
      this.#keepUp(key, header, wallMs, freshness === "fresh", entry.aging)
      return entry
    } finally {
      if (!areHeld) for (const node of acquired) trie.release(node)
    }
  }

  /** The value as callers get it. Throws what is wrong with it. */
  #takeIn(table: Table, key: string, bytes: Uint8Array, intake: Intake): unknown {
    const { behaviour, validate } = intake
    const isFrozen = behaviour.isolation === "freeze"
    // A hook may still bring it into shape.
    const value = this.#codec.decodeValue(bytes, isFrozen && validate === undefined)
    if (validate !== undefined && !isAbsent(value, intake)) {
      let isValid: boolean
      try {
        isValid = validate(value)
      } catch (error) {
        throw new HookError("validate", key, error)
      }
      if (!isValid) throw new CorruptEntryError("the hook `validate` has refused its value")
    }
    if (isThenable(value)) throw new CorruptEntryError("what its decoder has made is a thenable, which is no value")
    if (!isFrozen) return isolate(value, behaviour.isolation, key).value
    if (typeof value === "object" && value !== null) table.counters.shared += freezeOwn(value)
    return value
  }

  /** Keeps an entry that is still of use from being evicted, and from falling below what the log remembers. */
  #keepUp(key: string, header: EntryHeader, wallMs: number, isFresh: boolean, aging: Aging | null): void {
    const { trie, settings } = this.#options
    // An entry that a soft invalidation covers must stay below it.
    const isOld = isFresh && trie.cursor - header.asOf > Math.min(OLD_TICKS, (trie.cursor - trie.logFloor) / 2)
    const isNoted = wallMs - header.storedAtMs > YOUNG_MS && settings.random() * NOTED_USES < 1
    if (!isOld && !isNoted) return
    const rank = rankOf(header)
    this.#touch(key, rank, isOld ? { asOf: trie.cursor } : {})
    // From here on it is known by its new rank.
    if (isOld && aging?.shared != null) aging.shared = { ...aging.shared, rank: { ...rank, asOf: trie.cursor } }
  }

  #readFailed(error: unknown, key: string): void {
    this.#options.outbox.fault(asStoreError("read", error), key)
  }

  #writeFailed(error: unknown, key: string): void {
    if (this.#options.lifetime.isOver) return
    this.#options.outbox.fault(asStoreError("write", error), key)
  }
}
