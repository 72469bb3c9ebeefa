import { MAX_FREQUENCY } from "./frequency-sketch.js"

// A node is a slot + FIRST_NODE. The nodes 1 to 3 are the heads of the three lists, which makes the lists circular:
// linking and unlinking need no branches. A node's list is in its state, and 0 there means that the slot is not in use.
export const WINDOW = 1
export const PROBATION = 2
export const PROTECTED = 3
export const FIRST_NODE = 4
const LISTS = [WINDOW, PROBATION, PROTECTED]

// State of a node in one byte: bits 0-3 frequency, bits 4-5 list, bit 6 margin.
const LIST_SHIFT = 4
const LIST_MASK = 3
const MARGIN = 64
const HALVED_FREQUENCIES = 0x07070707
const NOT_FREQUENCIES = 0xf0f0f0f0

/**
 * Three lists of slots, small dense integers: each slot in use is in exactly one of them, most recently used first,
 * with a frequency (0 to 15) and, where weights are kept, a weight. Sizes and weights of the lists are always the sums
 * of their slots. The end of the probation list may be marked as its margin.
 *
 * Arrays hold it all: 9 bytes per slot, 8 more for weights. Methods take nodes, see {@link FIRST_NODE}.
 */
export class SlotLists {
  /** Slots that there is room for. */
  capacity = 0
  /** Slots in use. */
  size = 0
  /** Weight of all slots in use; 0 where weights are not kept. */
  weight = 0
  /** Number of slots of each list. */
  readonly sizes = new Int32Array(FIRST_NODE)
  /** Weight of each list, see {@link weight}. */
  readonly listWeights = new Float64Array(FIRST_NODE)
  marginSize = 0
  #marginStart = PROBATION // the probation list from here to its end is the margin

  #links = new Int32Array(0) // 2 × node: the one before (used more recently), 2 × node + 1: the one after
  #states = new Uint8Array(0)
  #weights: Float64Array | undefined

  constructor(slots: number, keepsWeights: boolean) {
    if (keepsWeights) this.#weights = new Float64Array(0)
    this.grow(slots)
    for (const list of LISTS) this.#links.fill(list, 2 * list, 2 * list + 2)
  }

  grow(slots: number): void {
    const nodes = slots + FIRST_NODE
    this.#links = grown(this.#links, new Int32Array(2 * nodes))
    // Whole words: frequencies are halved four at a time.
    this.#states = grown(this.#states, new Uint8Array((nodes + 3) & ~3))
    if (this.#weights !== undefined) this.#weights = grown(this.#weights, new Float64Array(slots))
    this.capacity = slots
  }

  /** The node of the list that is before this one, used more recently; of a list's head the last. */
  before(node: number): number {
    return this.#links[2 * node]!
  }

  /** The list that the node is in; 0 where its slot is not in use. */
  listOf(node: number): number {
    return (this.#states[node]! >>> LIST_SHIFT) & LIST_MASK
  }

  frequencyOf(node: number): number {
    return this.#states[node]! & MAX_FREQUENCY
  }

  weightOf(node: number): number {
    return this.#weights === undefined ? 0 : this.#weights[node - FIRST_NODE]!
  }

  isInMargin(node: number): boolean {
    return (this.#states[node]! & MARGIN) !== 0
  }

  /** Takes a slot into use, as the first of the list. */
  add(node: number, list: number, frequency: number, weight: number): void {
    if (this.#states[node] !== 0) throw new Error(`slot ${node - FIRST_NODE} is in use: it can't be added to a list`)
    this.#states[node] = frequency
    if (this.#weights !== undefined) {
      this.#weights[node - FIRST_NODE] = weight
      this.weight += weight
    }
    this.size++
    this.#link(node, list, list, this.#links[2 * list + 1]!)
  }

  /** Ends the use of a slot. */
  remove(node: number): void {
    this.#unlink(node)
    this.size--
    this.weight -= this.weightOf(node)
    if (!(this.weight >= 0)) throw new Error(`the weight of all slots fell to ${this.weight}`)
    this.#states[node] = 0
  }

  reweigh(node: number, weight: number): void {
    if (this.#weights === undefined) return
    const growth = weight - this.weightOf(node)
    this.#weights[node - FIRST_NODE] = weight
    this.listWeights[this.listOf(node)]! += growth
    this.weight += growth
  }

  moveToFirst(node: number, list: number): void {
    this.#unlink(node)
    this.#link(node, list, list, this.#links[2 * list + 1]!)
  }

  /** Makes the node the next to leave the window. No other list: the end of probation may be a margin. */
  moveToLastOfWindow(node: number): void {
    this.#unlink(node)
    this.#link(node, WINDOW, this.#links[2 * WINDOW]!, WINDOW)
  }

  /**
   * A use of the node: counted, and in the window and the protected list it becomes the first. Gives its list; in
   * probation a node keeps its place until {@link moveToFirst} or {@link exchange}. A slot not in use is left alone.
   */
  use(node: number): number {
    const states = this.#states
    const state = states[node]!
    const list = (state >>> LIST_SHIFT) & LIST_MASK
    if (list === 0) return 0
    if ((state & MAX_FREQUENCY) !== MAX_FREQUENCY) states[node] = state + 1
    if (list === PROBATION) return list
    // The same as moveToFirst, without what can't change: most hits come here.
    const links = this.#links
    const before = links[2 * node]!
    if (before === list) return list
    const after = links[2 * node + 1]!
    const first = links[2 * list + 1]!
    links[2 * before + 1] = after
    links[2 * after] = before
    links[2 * node] = list
    links[2 * node + 1] = first
    links[2 * first] = node
    links[2 * list + 1] = node
    return list
  }

  /**
   * A node of the probation list becomes the first of the protected one, whose last becomes the first of the probation
   * list. Only without weights: nothing needs to be counted then. The protected list may not be empty.
   */
  exchange(node: number): void {
    const links = this.#links
    const states = this.#states
    const last = links[2 * PROTECTED]!
    if ((states[node]! & MARGIN) !== 0) this.#leaveMargin(node)
    const before = links[2 * node]!
    const after = links[2 * node + 1]!
    links[2 * before + 1] = after
    links[2 * after] = before
    const newLast = links[2 * last]!
    links[2 * newLast + 1] = PROTECTED
    links[2 * PROTECTED] = newLast
    const firstProtected = links[2 * PROTECTED + 1]!
    links[2 * node] = PROTECTED
    links[2 * node + 1] = firstProtected
    links[2 * firstProtected] = node
    links[2 * PROTECTED + 1] = node
    const firstProbation = links[2 * PROBATION + 1]!
    links[2 * last] = PROBATION
    links[2 * last + 1] = firstProbation
    links[2 * firstProbation] = last
    links[2 * PROBATION + 1] = last
    states[node] = (states[node]! & MAX_FREQUENCY) | (PROTECTED << LIST_SHIFT)
    states[last] = (states[last]! & MAX_FREQUENCY) | (PROBATION << LIST_SHIFT)
  }

  /** Makes the margin longer, by at most `steps` and up to `wanted`. */
  extendMargin(wanted: number, steps: number): void {
    const most = Math.min(wanted, this.sizes[PROBATION]!)
    for (let left = steps; left > 0 && this.marginSize < most; left--) {
      this.#marginStart = this.before(this.#marginStart)
      this.#states[this.#marginStart]! |= MARGIN
      this.marginSize++
    }
  }

  halveFrequencies(): void {
    // Four states at a time: one pass over a million slots takes a fraction of a millisecond.
    const words = new Uint32Array(this.#states.buffer)
    for (let index = 0; index < words.length; index++) {
      const word = words[index]!
      words[index] = (word & NOT_FREQUENCIES) | ((word >>> 1) & HALVED_FREQUENCIES)
    }
  }

  /** For tests: throws an Error that says what is inconsistent. Takes time in proportion to the slots. */
  check(): void {
    let size = 0
    let weight = 0
    let marginSize = 0
    for (const list of LISTS) {
      const found = this.#checkList(list)
      size += found.size
      weight += found.weight
      marginSize += found.marginSize
    }
    const used = this.#states.reduce((count, state) => count + (state === 0 ? 0 : 1), 0)
    if (size !== this.size || used !== size) throw new Error(`size ${this.size}, linked ${size}, in use ${used}`)
    if (weight !== this.weight) throw new Error(`weight ${this.weight}, is ${weight}`)
    if (marginSize !== this.marginSize) throw new Error(`margin ${this.marginSize}, is ${marginSize}`)
    if (this.marginSize === 0 && this.#marginStart !== PROBATION) throw new Error("an empty margin starts at a slot")
  }

  #checkList(list: number): { size: number; weight: number; marginSize: number } {
    let size = 0
    let weight = 0
    let marginSize = 0
    let before = list
    for (let node = this.#after(list); node !== list; node = this.#after(node)) {
      const where = `list ${list}, slot ${node - FIRST_NODE}`
      if (node < FIRST_NODE) throw new Error(`${where}: leads into another list`)
      if (this.before(node) !== before) throw new Error(`${where}: the link back is wrong`)
      if (this.listOf(node) !== list) throw new Error(`${where}: its state says list ${this.listOf(node)}`)
      if (++size > this.size) throw new Error(`${where}: the list holds more than all entries, or is a cycle`)
      const inMargin = marginSize > 0 || (list === PROBATION && node === this.#marginStart)
      if (this.isInMargin(node) !== inMargin) throw new Error(`${where}: wrong about the margin`)
      if (inMargin) marginSize++
      weight += this.weightOf(node)
      before = node
    }
    if (this.before(list) !== before) throw new Error(`list ${list}: its end is wrong`)
    if (size !== this.sizes[list]) throw new Error(`list ${list}: size is ${size}`)
    if (weight !== this.listWeights[list]) throw new Error(`list ${list}: weight is ${weight}`)
    return { size, weight, marginSize }
  }

  #after(node: number): number {
    return this.#links[2 * node + 1]!
  }

  #link(node: number, list: number, before: number, after: number): void {
    const links = this.#links
    links[2 * node] = before
    links[2 * node + 1] = after
    links[2 * before + 1] = node
    links[2 * after] = node
    this.#states[node] = (this.#states[node]! & MAX_FREQUENCY) | (list << LIST_SHIFT)
    this.sizes[list]!++
    if (this.#weights !== undefined) this.listWeights[list]! += this.#weights[node - FIRST_NODE]!
  }

  /** Takes a node out of its list, which stays in its state. */
  #unlink(node: number): void {
    const links = this.#links
    const state = this.#states[node]!
    const list = (state >>> LIST_SHIFT) & LIST_MASK
    if (list === 0) throw new Error(`slot ${node - FIRST_NODE} is in no list: it can't be taken out of one`)
    if ((state & MARGIN) !== 0) this.#leaveMargin(node)
    const before = links[2 * node]!
    const after = links[2 * node + 1]!
    links[2 * before + 1] = after
    links[2 * after] = before
    this.sizes[list]!--
    if (this.#weights !== undefined) this.listWeights[list]! -= this.#weights[node - FIRST_NODE]!
  }

  /** Before the node is unlinked. */
  #leaveMargin(node: number): void {
    this.#states[node]! &= ~MARGIN
    this.marginSize--
    if (node === this.#marginStart) this.#marginStart = this.#after(node)
  }
}

function grown<T extends { set(old: ArrayLike<number>): void }>(old: ArrayLike<number>, array: T): T {
  array.set(old)
  return array
}
