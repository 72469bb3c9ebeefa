import type { Aged, Aging } from "./age.js"
import type { Dependencies, Subject } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import type { Table } from "./table.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"

/** What few entries have. */
export interface Rare {
  /** The value is an error that `cacheErrors` keeps: readers get a rejection. */
  readonly isError: boolean
  /** Each reader gets a structured clone. */
  readonly isCloned: boolean
  /** How many loads in a row have failed; for the back-off. */
  readonly failures: number
  /** See {@link Subject.keyVersion}. */
  keyVersion: Version | undefined
  /** While its own word is on the way to the log: the newest that others had on its key. */
  rivalVersion: Version
}

/** In place of a slot, see {@link giveUp}. */
export const GONE = -2

/**
 * A value with what it depends on. There may be millions: each field costs 8 bytes, so what most entries don't need
 * shares one.
 */
export class Entry implements Aged, Subject {
  // What a hit reads comes first, so that it lies in one line of the processor's cache.
  /** The state of the log in which it was last found fresh. */
  stamp: Stamp
  /** Until when, in the time of `Turn.now`, a hit needs no closer look; see age.ts. */
  deadlineMs: number
  /** Its place in the memory tier; -1 outside. */
  slot = -1
  /** What hits return; made by the first. */
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
 * Ends the use of an entry: nothing would tell that it became stale. Whoever has it still, such as a table of an older size that
 * a Map leaves to the garbage collector, keeps neither the value nor the promise of it alive.
 */
export function giveUp(entry: Entry): void {
  entry.value = undefined
  entry.promise = null
  entry.slot = GONE
}

/** The promise that hits return: the same for all, so that a hit allocates nothing. */
export function promiseOf(entry: Entry): Promise<unknown> {
  if (entry.promise === null) {
    entry.promise = entry.isError ? Promise.reject(entry.value) : Promise.resolve(entry.value)
    if (entry.isError) entry.promise.catch(() => {})
  }
  return entry.promise
}
