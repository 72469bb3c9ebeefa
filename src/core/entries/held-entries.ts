import type { Clock } from "../base/clock.js"
import { hold, letGo } from "../tags/dependencies.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { type Entry, giveUp } from "./table.js"

/** How many entries from a store at hand stay referenced within one turn: each is used before anybody can ask again. */
const HELD_AT_HAND = 16

export interface HeldEntriesOptions {
  readonly trie: TagTrie
  readonly clock: Clock
  /** Entries come from a store that has to be waited for: all of a turn are held. */
  readonly isRemote: boolean
}

/**
 * Entries of use although memory has let go of them, or may do so: those that the shared tier brought within this turn of
 * the event loop, and those that stand in for a load. Like memory, it holds the nodes that tell whether they are fresh.
 */
export class HeldEntries {
  readonly #options: HeldEntriesOptions
  #ofTurn = new Set<Entry>()
  /** Entries that are needed beyond the turn, and how many users each has. */
  readonly #users = new Map<Entry, number>()
  #isEndScheduled = false

  constructor(options: HeldEntriesOptions) {
    this.#options = options
  }

  has(entry: Entry): boolean {
    return this.#users.has(entry) || this.#ofTurn.has(entry)
  }

  /** Each of them once; for the structural check. */
  *[Symbol.iterator](): IterableIterator<Entry> {
    yield* this.#ofTurn
    yield* this.#users.keys()
  }

  /** Holds an entry until the turn ends. The uses of its nodes are this object's from here on. */
  holdForTurn(entry: Entry): void {
    const { clock, isRemote } = this.#options
    if (this.#isEndScheduled) {
      // A turn can have thousands of reads, one after the other.
      if (!isRemote && this.#ofTurn.size === HELD_AT_HAND) this.#letGoOfTurn()
    } else {
      this.#isEndScheduled = true
      clock.onTurnEnd(() => {
        this.#isEndScheduled = false
        this.#letGoOfTurn()
      })
    }
    this.#ofTurn.add(entry)
  }

  /** Keeps an entry of use beyond the turn, whatever memory does. Returns what ends that. */
  keep(entry: Entry): () => void {
    const users = this.#users.get(entry)
    if (users === undefined && !this.#ofTurn.delete(entry)) {
      if (entry.slot < 0) return () => {}
      hold(entry.dependencies)
    }
    this.#users.set(entry, (users ?? 0) + 1)
    return () => {
      const left = (this.#users.get(entry) as number) - 1
      if (left > 0) {
        this.#users.set(entry, left)
        return
      }
      this.#users.delete(entry)
      this.#end(entry)
    }
  }

  #letGoOfTurn(): void {
    const held = this.#ofTurn
    this.#ofTurn = new Set()
    for (const entry of held) this.#end(entry)
  }

  #end(entry: Entry): void {
    if (entry.slot < 0) giveUp(entry)
    letGo(entry.dependencies, this.#options.trie)
  }
}
