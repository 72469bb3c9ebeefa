import { FIRST_NODE, SlotLists, WINDOW } from "./slot-lists.js"

/** Decides which slot goes: the one that was used least recently (LRU), whatever its frequency. */
export class Recency {
  readonly #lists: SlotLists
  #maxEntries: number
  #maxWeight: number

  /** @param slots so many slots are there: integers from 0. */
  constructor(slots: number, maxEntries: number, maxWeight: number) {
    this.#lists = new SlotLists(slots, maxWeight !== Infinity)
    this.#maxEntries = maxEntries
    this.#maxWeight = maxWeight
  }

  get size(): number {
    return this.#lists.size
  }

  /** 0 where there is no byte budget. */
  weightOf(slot: number): number {
    return this.#lists.weightOf(slot + FIRST_NODE)
  }

  /** A new entry. Call `evict` afterwards until it returns -1. */
  insert(slot: number, _hash: number, weight: number): void {
    this.#lists.add(slot + FIRST_NODE, WINDOW, 0, weight)
    this.#refuse(slot)
  }

  /** The entry of that slot was replaced. Call `evict` afterwards until it returns -1. */
  replace(slot: number, weight: number): void {
    this.touch(slot)
    this.#lists.reweigh(slot + FIRST_NODE, weight)
    this.#refuse(slot)
  }

  touch(slot: number): void {
    this.#lists.use(slot + FIRST_NODE)
  }

  remove(slot: number): void {
    this.#lists.remove(slot + FIRST_NODE)
  }

  /** A slot that must go for the budgets to hold, already removed here, or -1 when they hold. */
  evict(): number {
    const lists = this.#lists
    if (lists.size <= this.#maxEntries && lists.weight <= this.#maxWeight) return -1
    const node = lists.before(WINDOW)
    lists.remove(node)
    return node - FIRST_NODE
  }

  /** Other budgets. Call `evict` afterwards until it returns -1. */
  limit(maxEntries: number, maxWeight: number): void {
    this.#maxEntries = maxEntries
    this.#maxWeight = maxWeight
  }

  /** For tests: throws an Error that says what is inconsistent. Takes time in proportion to the slots. */
  check(): void {
    this.#lists.check()
  }

  /** An entry that the budget can't hold goes at once instead of pushing out all others first. */
  #refuse(slot: number): void {
    const node = slot + FIRST_NODE
    if (this.#lists.weightOf(node) > this.#maxWeight) this.#lists.moveToLastOfWindow(node)
  }
}
