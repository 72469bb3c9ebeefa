import { doPromisesPinContexts, makeInRoot } from "../base/contexts.js"
import type { CacheEvent } from "../base/events.js"
import type { Behaviour } from "../options/settings.js"
import type { Dependencies } from "../tags/dependencies.js"
import type { Subject } from "../tags/freshness.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp, TagTrie } from "../tags/tag-trie.js"
import { NO_VERSION, type Version } from "../tags/version.js"
import { functionKey } from "../values/function-key.js"
import { type EntryId, encodeId } from "../values/id.js"
import type { Aged, Aging } from "./age.js"
import { type Counters, noCounts } from "./counters.js"

/** The part of an entry that did not come from its own source: of that, nothing can be said by asking the source again. */
export interface Sources {
  /** Among its dependencies, those of what was used on the way. */
  readonly inherited: readonly TagNode[]
  /** When the first of what was used expires, in the time of `Turn.now`. */
  readonly latestExpiryMs: number
}

/** Properties that few entries have. */
export interface Rare {
  /** The value is an error that `cacheErrors` keeps: readers get a rejection. */
  readonly isError: boolean
  /** Each reader gets a structured clone. */
  readonly isCloned: boolean
  /** Nothing that is made of it may leave memory. */
  readonly isSecret: boolean
  /** Null where the value is not told to `revalidate`. */
  readonly sources: Sources | null
  /** How many loads in a row have failed; for the back-off. */
  readonly failures: number
  /** See {@link Subject.keyVersion}. */
  keyVersion: Version | undefined
  /** While its own word is on the way to the log: the newest that others had on its key. */
  rivalVersion: Version
  /** The same of soft changes. */
  softRivalVersion: Version
}

/** Rare properties, where some of them are other than usual. */
export function rareOf({
  isError = false,
  isCloned = false,
  isSecret = false,
  sources = null,
  failures = 0,
  keyVersion,
}: Partial<Omit<Rare, "rivalVersion" | "softRivalVersion">>): Rare {
  return {
    isError,
    isCloned,
    isSecret,
    sources,
    failures,
    keyVersion,
    rivalVersion: NO_VERSION,
    softRivalVersion: NO_VERSION,
  }
}

/** The `slot` of an entry whose use has ended; see {@link giveUp}. */
export const GONE = -2

// No state of any trie: a hit that has found the entry, and then looks at the clock or the log, does not take it.
const GONE_STAMP: Stamp = Object.freeze({ epoch: Object.freeze({ ordinal: -1, nonce: "gone" }), asOf: -1 })

/**
 * A value with what it depends on. There may be millions: each field costs 8 bytes, so what most entries don't need
 * shares one.
 */
export class Entry implements Aged, Subject {
  // Fields that a hit reads come first, so that they lie in one line of the processor's cache.
  /** The state of the log in which it was last found fresh. */
  stamp: Stamp
  /** Until when, in the time of `Turn.now`, a hit needs no closer look; see age.ts. */
  deadlineMs: number
  /** Place in the memory tier; -1 outside. */
  slot = -1
  /** The promise that hits return; made by the first. */
  promise: Promise<unknown> | null = null
  value: unknown
  readonly table: Table
  readonly id: EntryId
  readonly dependencies: Dependencies
  /** Most have neither. */
  #more: { aging: Aging | null; rare: Rare | null } | null = null

  constructor(
    table: Table,
    id: EntryId,
    value: unknown,
    dependencies: Dependencies,
    stamp: Stamp,
    aged: Aged,
    rare: Rare | null,
  ) {
    this.table = table
    this.id = id
    this.value = value
    this.dependencies = dependencies
    this.stamp = stamp
    this.deadlineMs = aged.deadlineMs
    if (aged.aging !== null || rare !== null) this.#more = { aging: aged.aging, rare }
  }

  get aging(): Aging | null {
    return this.#more === null ? null : this.#more.aging
  }

  set aging(aging: Aging | null) {
    this.#more = { aging, rare: this.rare }
  }

  get rare(): Rare | null {
    return this.#more === null ? null : this.#more.rare
  }

  set rare(rare: Rare | null) {
    this.#more = rare === null && this.aging === null ? null : { aging: this.aging, rare }
  }

  /** An entry that neither slides nor has grace, nor anything that is rare. */
  get isPlain(): boolean {
    return this.#more === null
  }

  /** Marks on its own key remove an entry at once, so what is left to look at is its function. */
  get keyNode(): TagNode {
    return this.table.keyNode
  }

  get keyVersion(): Version | undefined {
    return this.rare?.keyVersion
  }

  get isError(): boolean {
    return this.rare?.isError === true
  }
}

/**
 * Ends the use of an entry: nothing would tell that it became stale. Holders that still have it, such as a
 * table of an older size that a Map leaves to the garbage collector, keep neither its value nor its promise alive.
 */
export function giveUp(entry: Entry): void {
  entry.value = undefined
  entry.promise = null
  entry.slot = GONE
  entry.stamp = GONE_STAMP
}

/** The promise that hits return: the same for all, so that a hit allocates nothing. */
export function promiseOf(entry: Entry): Promise<unknown> {
  // A promise of the caller's context would keep the data of the request alive that hit first.
  entry.promise ??= doPromisesPinContexts ? makeInRoot(() => makePromise(entry)) : makePromise(entry)
  return entry.promise
}

function makePromise(entry: Entry): Promise<unknown> {
  if (!entry.isError) return Promise.resolve(entry.value)
  const promise = Promise.reject(entry.value)
  promise.catch(() => {})
  return promise
}

/** The part of a function's options that says how an entry of the shared tier is taken in. */
export interface Intake {
  readonly behaviour: Behaviour
  readonly sizeOf: ((value: unknown) => number) | undefined
  readonly validate: ((value: unknown) => boolean) | undefined
  /** `undefined` is the absence of a value, of which no hook is asked: see {@link isAbsent}. */
  readonly hasAbsences: boolean
}

/** Whether an entry says that there is nothing for its id, so that the hooks of users have no value to look at. */
export function isAbsent(value: unknown, { hasAbsences }: Pick<Intake, "hasAbsences">): boolean {
  return value === undefined && hasAbsences
}

/** The name of the table of all keys that users give by hand. */
export const MANUAL = ""

/** The parts of a table; see the properties of {@link Table}. */
export interface TableOptions {
  readonly trie: TagTrie
  /** The namespace of the cache. */
  readonly prefix: string
  readonly functionName: string
  readonly version: string | number | undefined
  readonly intake: Intake
  /** Counts to go on with, of a table that had the same name. */
  readonly counters?: Counters | undefined
}

/** The entries of one cached function, or all those with keys given by hand. */
export class Table {
  /** Unique in its cache; the name of its node among the keys. */
  readonly name: string
  readonly functionName: string
  readonly version: string | number | undefined
  /** The trie of its cache, by which a table of another cache is told. */
  readonly trie: TagTrie
  /** Invalidating it invalidates every entry of this table. */
  readonly keyNode: TagNode
  readonly entries = new Map<EntryId, Entry>()
  /** The loads and flights of its keys, which `loads/running.ts` keeps here: a weak map would cost each miss a tenth. */
  running: object | undefined
  readonly counters: Counters
  /** A later definition of the same name has taken over: nothing may be stored here any more. */
  isReplaced = false
  /** How entries of the shared tier are taken in where no call says it. */
  intake: Intake
  readonly #prefix: string

  constructor({ trie, prefix, functionName, version, intake, counters }: TableOptions) {
    this.name = functionName === MANUAL ? MANUAL : tableNameOf(functionName, version)
    this.functionName = functionName
    this.version = version
    this.trie = trie
    this.keyNode = trie.acquireChild(trie.keyRoot, this.name)
    this.counters = counters ?? noCounts()
    this.intake = intake
    this.#prefix = prefix
  }

  get isManual(): boolean {
    return this.name === MANUAL
  }

  /** The public key of an id. */
  keyOf(id: EntryId): string {
    return this.isManual ? (id as string) : this.name + encodeId(id)
  }

  /** How the key node's child of an id is called. */
  segmentOf(id: EntryId): string {
    return this.isManual ? (id as string) : encodeId(id)
  }

  /** The node of an own key, where something refers to it or a mark is kept on it. */
  keyNodeOf(id: EntryId): TagNode | undefined {
    // The table itself is one use; without others there are no children to look among.
    if (this.keyNode.uses <= 1) return undefined
    return this.trie.findChild(this.keyNode, this.segmentOf(id))
  }

  /** The node of an own key, with one use more. */
  acquireKeyNode(id: EntryId): TagNode {
    // The node that a replaced table had may be gone; its successor has one of the same name.
    if (this.isReplaced) return this.trie.acquire([this.name, this.segmentOf(id)], this.trie.keyRoot)
    return this.trie.acquireChild(this.keyNode, this.segmentOf(id))
  }

  /** The node of all own keys, with one use more. */
  acquireFunctionNode(): TagNode {
    return this.trie.acquireChild(this.trie.keyRoot, this.name)
  }

  /** An event about the entry of an id. */
  event(id: EntryId): CacheEvent {
    return { cache: this.#prefix, function: this.functionName, key: this.keyOf(id) }
  }
}

/** The name of the table of a function: its part of every key. */
export function tableNameOf(functionName: string, version: string | number | undefined): string {
  return functionKey(functionName, version, undefined)
}
