import { FrequencySketch, MAX_FREQUENCY } from "./frequency-sketch.js"

export interface EvictionOptions {
  /** May be Infinity. */
  readonly maxEntries: number
  /** In bytes, may be Infinity. */
  readonly maxWeight: number
  /** Uniform in [0, 1); Math.random unless given. */
  readonly random?: () => number
}

// A node is a slot + FIRST_NODE. The nodes 1 to 3 are the heads of the three lists, which makes the lists circular:
// linking and unlinking need no branches. A node's list is in its state, and 0 there means that the slot is not in use.
const WINDOW = 1
const PROBATION = 2
const PROTECTED = 3
const FIRST_NODE = 4

// One byte of state per node: bits 0-3 frequency, bits 4-5 list, bit 6 margin.
const LIST_SHIFT = 4
const LIST_MASK = 3
const MARGIN = 64
const HALVED_FREQUENCIES = 0x07070707
const NOT_FREQUENCIES = 0xf0f0f0f0

// Constants of the papers and of Caffeine: a window of 1 % to begin with, 80 % of the rest protected, counts halved
// after ten accesses per entry.
const MIN_WINDOW_SHARE = 0.01
const PROTECTED_SHARE = 0.8
const ACCESSES_PER_ENTRY_AND_AGE = 10
// The main part is never given up, or nothing could tell any more that it would be of use again.
const MAX_WINDOW_SHARE = 0.98
// In a tier of ten, where 98 % are all of them, the main part gets an entry again after some 60 evictions.
const PROBE_SHARE = 0.0005

// What the window's size is judged by: this share of the entries at the main part's end, and as many just rejected.
const MARGIN_SHARE = 1 / 16
const MAX_MARGIN = 16_384
// Entries by which one event moves the window; up to nine times that when all events agree for a while.
const ENTRIES_PER_EVENT = 2
const TREND_BOOST = 8
const TREND_RATE = 1 / 32
// In a tiny tier one event would move the window by a third.
const MIN_ENTRIES_OF_STEP = 64

// Hits are noted here and replayed, in order, before anything else happens. Where more than this many come between two
// changes (a hit ratio above 99.9 %), the newest stand for all: order matters only to who goes next, and nobody does.
const RING_LENGTH = 1024
// After the window was resized, entries change lists in small steps: no operation pays for them all.
const MOVES_PER_OPERATION = 32

// A rejected candidate that is not cold gets in anyhow once in a while: whoever raised the counters of the victims by
// colliding keys (hash flooding) could otherwise shut out everybody else for good.
const WARM_FREQUENCY = 6
const WARM_ADMISSION = 1 / 128

/**
 * Decides which slot goes when the memory tier is over its budget: W-TinyLFU with an adaptive window.
 *
 * New entries pass through a small LRU window. What leaves it gets into the main part, a segmented LRU, only if it has
 * been used more often than what would have to go for it (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache
 * Admission Policy", ACM Transactions on Storage 13(4), 2017). A heavy candidate must have been used more often than
 * all its victims together (Einziger, Eytan, Friedman, Manes: "Lightweight Robust Size Aware Cache Management", ACM
 * Transactions on Storage 18(3), 2022).
 *
 * How much the window should get depends on the workload, from 1 % (frequency decides) to nearly all (recency does).
 * Einziger, Eytan, Friedman, Manes: "Adaptive Software Cache Management" (Middleware 2018) climbs the hit ratio, which
 * takes ten accesses per entry for each step. Here each single event that tells the slope moves the window, as ghost
 * hits do in ARC (Megiddo, Modha, FAST 2003):
 * - a key returns that was rejected so recently that a window larger by the margin would still hold it: grow;
 * - a hit on one of the next victims of the main part, which a main part smaller by the margin would not hold: shrink.
 *
 * Knows slots only, small dense integers, and keeps all it knows in typed arrays: 13 bytes per entry, about 3 for
 * history, 8 more for weights where there is a byte budget (and at most 16 KB more: small sketches are more precise).
 */
export class WindowTinyLfu {
  readonly #maxEntries: number
  readonly #maxWeight: number
  readonly #random: () => number
  readonly #sketch: FrequencySketch
  readonly #rejected = new RecentlyRejected()

  #slots = 0
  #links = new Int32Array(0) // 2 × node: the one before (used more recently), 2 × node + 1: the one after
  #states = new Uint8Array(0)
  #hashes = new Int32Array(0)
  #weights: Float64Array | undefined

  readonly #listSizes = new Int32Array(FIRST_NODE)
  readonly #listWeights = new Float64Array(FIRST_NODE)
  #size = 0
  #weight = 0

  readonly #ring = new Int32Array(RING_LENGTH)
  #ringAt = 0
  #hasWrapped = false
  #recording = false
  #accesses = 0

  #windowShare = MIN_WINDOW_SHARE
  #maxWindowEntries = 0
  #maxWindowWeight = 0
  #maxProtectedEntries = 0
  #maxProtectedWeight = 0
  #trend = 0
  #marginStart = PROBATION // the probation list from here to its end is the margin
  #marginSize = 0

  #evicted = false // since the budgets held last
  #contended = false // the last change needed an eviction
  #owed = 0 // weight that the main part still has to give for a candidate that was admitted

  constructor(options: EvictionOptions) {
    this.#maxEntries = options.maxEntries
    this.#maxWeight = options.maxWeight
    this.#random = options.random ?? Math.random
    this.#sketch = new FrequencySketch(Math.floor(this.#random() * 2 ** 32))
    this.#grow(Math.min(this.#maxEntries + 1, 16))
    for (const list of [WINDOW, PROBATION, PROTECTED]) this.#links.fill(list, 2 * list, 2 * list + 2)
    this.#setLimits()
  }

  get size(): number {
    return this.#size
  }

  /** Of all entries; 0 where there is no byte budget, as weights are not kept then. */
  get weight(): number {
    return this.#weight
  }

  /**
   * A new entry, in a slot that is not in use. `hash`: a well-mixed 32-bit integer of its key. Counts as one access.
   * Call `evict` afterwards until it returns -1.
   */
  insert(slot: number, hash: number, weight: number): void {
    this.#replay()
    if (slot >= this.#slots) this.#grow(Math.max(slot + 1, Math.min(2 * this.#slots, this.#maxEntries + 1)))
    if (this.#rejected.take(hash, this.#marginSize)) this.#moveWindow(1)
    const node = slot + FIRST_NODE
    this.#hashes[slot] = hash
    if (this.#weights !== undefined) {
      this.#weights[slot] = weight
      this.#weight += weight
    }
    this.#states[node] = Math.min(MAX_FREQUENCY, this.#sketch.frequency(hash) + 1)
    this.#size++
    // What the window can't hold is judged at once instead of pushing out all others first.
    if (weight > this.#maxWindowWeight) this.#linkLast(node, WINDOW)
    else this.#linkFirst(node, WINDOW)
    this.#owed = 0
    this.#countAccesses(1)
    this.#setRecording()
  }

  /** The entry of that slot was replaced. Counts as an access. Call `evict` afterwards until it returns -1. */
  replace(slot: number, weight: number): void {
    this.touch(slot)
    this.#replay()
    this.#owed = 0
    if (this.#weights === undefined) return
    const node = slot + FIRST_NODE
    const list = this.#listOf(node)
    const growth = weight - this.#weights[slot]!
    this.#weights[slot] = weight
    this.#listWeights[list]! += growth
    this.#weight += growth
    if (weight > (list === WINDOW ? this.#maxWindowWeight : this.#maxWeight)) {
      this.#unlink(node)
      this.#linkLast(node, WINDOW)
    }
    this.#setRecording()
  }

  /** A hit. It is only noted here and takes effect before the next change; of more than a thousand the newest count. */
  touch(slot: number): void {
    // Below half of the budgets nobody will be evicted soon: order and frequencies can wait until then.
    if (!this.#recording) return
    const at = this.#ringAt
    this.#ring[at] = slot
    if (at !== RING_LENGTH - 1) {
      this.#ringAt = at + 1
    } else {
      this.#ringAt = 0
      this.#hasWrapped = true
    }
  }

  /** The entry has gone for a reason of its own: stale, expired, deleted. */
  remove(slot: number): void {
    this.#replay()
    this.#forget(slot + FIRST_NODE)
    this.#owed = 0
    this.#setRecording()
  }

  /**
   * A slot that must go for the budgets to hold, already removed here, or -1 when they hold. It may be the newest one:
   * then its admission was refused.
   */
  evict(): number {
    this.#replay()
    if (!this.#isOver()) {
      this.#contended = this.#evicted
      this.#evicted = false
      this.#owed = 0
      this.#passOnWindow()
      this.#passOnProtected()
      if (this.#contended) this.#extendMargin()
      return -1
    }
    const node = this.#chooseVictim()
    const slot = node - FIRST_NODE
    if (this.#owed > 0) this.#owed -= this.#weightOf(node)
    this.#forget(node)
    this.#evicted = true
    return slot
  }

  /** For tests: throws an Error that says what is inconsistent. Takes time in proportion to the slots. */
  check(): void {
    let size = 0
    let weight = 0
    let marginSize = 0
    for (const list of [WINDOW, PROBATION, PROTECTED]) {
      let listSize = 0
      let listWeight = 0
      let inMargin = false
      let before = list
      for (let node = this.#after(list); node !== list; node = this.#after(node)) {
        const where = `list ${list}, slot ${node - FIRST_NODE}`
        if (node < FIRST_NODE) throw new Error(`${where}: leads into another list`)
        if (this.#before(node) !== before) throw new Error(`${where}: the link back is wrong`)
        if (this.#listOf(node) !== list) throw new Error(`${where}: its state says list ${this.#listOf(node)}`)
        if (++listSize > this.#size) throw new Error(`${where}: the list holds more than all entries, or is a cycle`)
        if (list === PROBATION && node === this.#marginStart) inMargin = true
        if (((this.#states[node]! & MARGIN) !== 0) !== inMargin) throw new Error(`${where}: wrong about the margin`)
        if (inMargin) marginSize++
        listWeight += this.#weightOf(node)
        before = node
      }
      if (this.#before(list) !== before) throw new Error(`list ${list}: its end is wrong`)
      if (listSize !== this.#listSizes[list]) throw new Error(`list ${list}: size is ${listSize}`)
      if (listWeight !== this.#listWeights[list]) throw new Error(`list ${list}: weight is ${listWeight}`)
      size += listSize
      weight += listWeight
    }
    const used = this.#states.reduce((count, state) => count + (state === 0 ? 0 : 1), 0)
    if (size !== this.#size || used !== size) throw new Error(`size ${this.#size}, linked ${size}, in use ${used}`)
    if (this.#weights !== undefined && weight !== this.#weight) throw new Error(`weight ${this.#weight}, is ${weight}`)
    if (marginSize !== this.#marginSize) throw new Error(`margin ${this.#marginSize}, is ${marginSize}`)
    if (this.#marginSize === 0 && this.#marginStart !== PROBATION) throw new Error("an empty margin starts at a slot")
    if (!(this.#windowShare >= MIN_WINDOW_SHARE && this.#windowShare <= MAX_WINDOW_SHARE)) {
      throw new Error(`window share ${this.#windowShare}`)
    }
  }

  #chooseVictim(): number {
    if (this.#owed <= 0 && this.#isWindowOver()) {
      const candidate = this.#before(WINDOW)
      const needed = Math.min(this.#weightOf(candidate), this.#weight - this.#maxWeight)
      const admitted = this.#isAdmitted(candidate, needed)
      this.#rejected.pass()
      if (this.#size === this.#listSizes[WINDOW]) this.#probeMain()
      if (!admitted) {
        this.#rejected.add(this.#hashes[candidate - FIRST_NODE]!, this.#wantedMargin())
        return candidate
      }
      const victim = this.#nextOfMain()
      this.#owed = needed
      this.#unlink(candidate)
      this.#linkFirst(candidate, PROBATION)
      return victim
    }
    return this.#nextOfMain()
  }

  #isAdmitted(candidate: number, needed: number): boolean {
    // Nothing could make room for it.
    if (this.#weightOf(candidate) > this.#maxWeight) return false
    const frequency = this.#frequencyOf(candidate)
    let frequencies = 0
    let victim = this.#before(PROBATION)
    for (;;) {
      if (victim === PROBATION) victim = this.#before(PROTECTED)
      if (victim === PROTECTED) return false
      frequencies += this.#frequencyOf(victim)
      if (frequencies >= frequency) break
      needed -= this.#weightOf(victim)
      if (needed <= 0) return true
      victim = this.#before(victim)
    }
    return frequency >= WARM_FREQUENCY && this.#random() < WARM_ADMISSION
  }

  #nextOfMain(): number {
    if (this.#listSizes[PROBATION]! > 0) return this.#before(PROBATION)
    if (this.#listSizes[PROTECTED]! > 0) return this.#before(PROTECTED)
    return this.#before(WINDOW)
  }

  #replay(): void {
    const length = this.#hasWrapped ? RING_LENGTH : this.#ringAt
    if (length === 0) return
    const oldest = this.#hasWrapped ? this.#ringAt : 0
    this.#ringAt = 0
    this.#hasWrapped = false
    const ring = this.#ring
    const links = this.#links
    const states = this.#states
    for (let index = 0; index < length; index++) {
      const node = ring[(oldest + index) & (RING_LENGTH - 1)]! + FIRST_NODE
      const state = states[node]!
      const list = (state >>> LIST_SHIFT) & LIST_MASK
      if ((state & MAX_FREQUENCY) !== MAX_FREQUENCY) states[node] = state + 1
      if (list === PROBATION) {
        if ((state & MARGIN) !== 0 && this.#contended) this.#moveWindow(-1)
        this.#promote(node)
        continue
      }
      // The same as #unlink and #linkFirst, without what can't change: most hits come here.
      const before = links[2 * node]!
      if (before === list) continue
      const after = links[2 * node + 1]!
      const first = links[2 * list + 1]!
      links[2 * before + 1] = after
      links[2 * after] = before
      links[2 * node] = list
      links[2 * node + 1] = first
      links[2 * first] = node
      links[2 * list + 1] = node
    }
    this.#countAccesses(length)
  }

  /** To the protected list. In the steady state another one makes room for it, and nothing needs to be counted. */
  #promote(node: number): void {
    const isFull = this.#listSizes[PROTECTED]! + 1 > this.#maxProtectedEntries
    const last = this.#links[2 * PROTECTED]!
    if (this.#weights !== undefined || !isFull || last === PROTECTED) {
      this.#moveToFirst(node, PROTECTED)
      this.#passOnProtected()
      return
    }
    const links = this.#links
    const states = this.#states
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

  #countAccesses(count: number): void {
    this.#accesses += count
    if (this.#accesses < ACCESSES_PER_ENTRY_AND_AGE * Math.max(16, this.#size)) return
    this.#accesses >>>= 1
    this.#sketch.age()
    // Four states at a time: one pass over a million entries takes a fraction of a millisecond.
    const words = new Uint32Array(this.#states.buffer)
    for (let index = 0; index < words.length; index++) {
      const word = words[index]!
      words[index] = (word & NOT_FREQUENCIES) | ((word >>> 1) & HALVED_FREQUENCIES)
    }
  }

  #moveWindow(direction: 1 | -1): void {
    this.#trend += (direction - this.#trend) * TREND_RATE
    const entries = direction * ENTRIES_PER_EVENT * (1 + TREND_BOOST * Math.abs(this.#trend))
    const share = this.#windowShare + entries / Math.max(MIN_ENTRIES_OF_STEP, this.#size)
    this.#windowShare = Math.min(MAX_WINDOW_SHARE, Math.max(MIN_WINDOW_SHARE, share))
    this.#setLimits()
  }

  /** In a tiny tier the window may have taken all. Only a main part can tell whether it is of use again. */
  #probeMain(): void {
    this.#windowShare = Math.max(MIN_WINDOW_SHARE, this.#windowShare - PROBE_SHARE)
    this.#setLimits()
  }

  #setLimits(): void {
    const share = this.#windowShare
    const maxEntries = this.#maxEntries
    this.#maxWindowEntries = Math.max(1, Math.round(share * maxEntries))
    this.#maxWindowWeight = share * this.#maxWeight
    const maxMainEntries = maxEntries === Infinity ? Infinity : maxEntries - this.#maxWindowEntries
    this.#maxProtectedEntries = PROTECTED_SHARE * maxMainEntries
    this.#maxProtectedWeight = PROTECTED_SHARE * (1 - share) * this.#maxWeight
  }

  #isOver(): boolean {
    return this.#size > this.#maxEntries || this.#weight > this.#maxWeight
  }

  #isWindowOver(): boolean {
    return this.#listSizes[WINDOW]! > this.#maxWindowEntries || this.#listWeights[WINDOW]! > this.#maxWindowWeight
  }

  /** There is room for all: what the window can't hold needs no admission. */
  #passOnWindow(): void {
    for (let moves = MOVES_PER_OPERATION; moves > 0 && this.#isWindowOver(); moves--) {
      this.#moveToFirst(this.#before(WINDOW), PROBATION)
    }
  }

  #passOnProtected(): void {
    for (let moves = MOVES_PER_OPERATION; moves > 0; moves--) {
      const isOver =
        this.#listSizes[PROTECTED]! > this.#maxProtectedEntries ||
        this.#listWeights[PROTECTED]! > this.#maxProtectedWeight
      if (!isOver) return
      this.#moveToFirst(this.#before(PROTECTED), PROBATION)
    }
  }

  #wantedMargin(): number {
    return Math.min(MAX_MARGIN, Math.max(1, Math.round(MARGIN_SHARE * this.#size)))
  }

  #extendMargin(): void {
    const wanted = Math.min(this.#wantedMargin(), this.#listSizes[PROBATION]!)
    for (let moves = MOVES_PER_OPERATION; moves > 0 && this.#marginSize < wanted; moves--) {
      this.#marginStart = this.#before(this.#marginStart)
      this.#states[this.#marginStart]! |= MARGIN
      this.#marginSize++
    }
  }

  /** Before the node is unlinked. */
  #leaveMargin(node: number): void {
    this.#states[node]! &= ~MARGIN
    this.#marginSize--
    if (node === this.#marginStart) this.#marginStart = this.#after(node)
  }

  #setRecording(): void {
    this.#recording = 2 * this.#size >= this.#maxEntries || 2 * this.#weight >= this.#maxWeight
  }

  #forget(node: number): void {
    const slot = node - FIRST_NODE
    this.#sketch.ensureCapacity(Math.min(this.#slots, this.#maxEntries))
    this.#sketch.raise(this.#hashes[slot]!, this.#frequencyOf(node))
    this.#unlink(node)
    this.#size--
    this.#weight -= this.#weightOf(node)
    this.#states[node] = 0
  }

  #moveToFirst(node: number, list: number): void {
    this.#unlink(node)
    this.#linkFirst(node, list)
  }

  /** The list stays in the state. */
  #unlink(node: number): void {
    const links = this.#links
    const state = this.#states[node]!
    const list = (state >>> LIST_SHIFT) & LIST_MASK
    if ((state & MARGIN) !== 0) this.#leaveMargin(node)
    const before = links[2 * node]!
    const after = links[2 * node + 1]!
    links[2 * before + 1] = after
    links[2 * after] = before
    this.#listSizes[list]!--
    if (this.#weights !== undefined) this.#listWeights[list]! -= this.#weights[node - FIRST_NODE]!
  }

  #linkFirst(node: number, list: number): void {
    this.#linkBetween(list, node, this.#after(list), list)
  }

  #linkLast(node: number, list: number): void {
    this.#linkBetween(this.#before(list), node, list, list)
  }

  #linkBetween(before: number, node: number, after: number, list: number): void {
    const links = this.#links
    links[2 * node] = before
    links[2 * node + 1] = after
    links[2 * before + 1] = node
    links[2 * after] = node
    this.#states[node] = (this.#states[node]! & MAX_FREQUENCY) | (list << LIST_SHIFT)
    this.#listSizes[list]!++
    if (this.#weights !== undefined) this.#listWeights[list]! += this.#weights[node - FIRST_NODE]!
  }

  #before(node: number): number {
    return this.#links[2 * node]!
  }

  #after(node: number): number {
    return this.#links[2 * node + 1]!
  }

  #listOf(node: number): number {
    return (this.#states[node]! >>> LIST_SHIFT) & LIST_MASK
  }

  #frequencyOf(node: number): number {
    return this.#states[node]! & MAX_FREQUENCY
  }

  #weightOf(node: number): number {
    return this.#weights === undefined ? 0 : this.#weights[node - FIRST_NODE]!
  }

  #grow(slots: number): void {
    const nodes = slots + FIRST_NODE
    this.#links = grown(this.#links, new Int32Array(2 * nodes))
    this.#states = grown(this.#states, new Uint8Array((nodes + 3) & ~3))
    this.#hashes = grown(this.#hashes, new Int32Array(slots))
    if (this.#maxWeight !== Infinity) this.#weights = grown(this.#weights ?? [], new Float64Array(slots))
    this.#slots = slots
  }
}

const GHOSTS_PER_BUCKET = 4
const AGE_MASK = 0xffff

/**
 * The keys that left the window last and were refused by the main part: 16 bits of the hash and 16 bits of the time,
 * counted in entries that left the window. A key that was forgotten too early, or a false match, is only a little noise
 * in the window's size.
 */
class RecentlyRejected {
  #ghosts = new Int32Array(0) // 0: none
  #buckets = 0
  #now = 0

  /** An entry left the window. */
  pass(): void {
    this.#now = (this.#now + 1) & AGE_MASK
  }

  /** `capacity`: how many of the last ones are of interest, at most half of what 16 bits can count. */
  add(hash: number, capacity: number): void {
    this.#ensureCapacity(capacity)
    const bucket = this.#bucketOf(hash)
    let oldest = bucket
    let oldestAge = -1
    for (let index = bucket; index < bucket + GHOSTS_PER_BUCKET; index++) {
      const age = this.#ghosts[index] === 0 ? AGE_MASK + 1 : this.#ageOf(index)
      if (age > oldestAge) {
        oldestAge = age
        oldest = index
      }
    }
    this.#ghosts[oldest] = (hash & ~AGE_MASK) | this.#now
  }

  /** Whether that key was rejected and at most `maxAge` entries have left the window since; it is then forgotten. */
  take(hash: number, maxAge: number): boolean {
    if (this.#buckets === 0) return false
    const bucket = this.#bucketOf(hash)
    for (let index = bucket; index < bucket + GHOSTS_PER_BUCKET; index++) {
      const ghost = this.#ghosts[index]!
      if (ghost === 0 || ((ghost ^ hash) & ~AGE_MASK) !== 0) continue
      const age = this.#ageOf(index)
      this.#ghosts[index] = 0
      return age <= Math.max(1, maxAge)
    }
    return false
  }

  #ensureCapacity(capacity: number): void {
    const buckets = Math.ceil((2 * capacity) / GHOSTS_PER_BUCKET)
    if (buckets <= this.#buckets) return
    // Starts empty again, which happens a few times while a tier with a byte budget finds its size.
    this.#buckets = this.#buckets === 0 ? buckets : Math.max(buckets, 2 * this.#buckets)
    this.#ghosts = new Int32Array(GHOSTS_PER_BUCKET * this.#buckets)
  }

  #bucketOf(hash: number): number {
    const mixed = Math.imul(hash, 0x9e3779b1) >>> 0
    return GHOSTS_PER_BUCKET * Math.floor((mixed / 2 ** 32) * this.#buckets)
  }

  #ageOf(index: number): number {
    return (this.#now - this.#ghosts[index]!) & AGE_MASK
  }
}

function grown<T extends { set(old: ArrayLike<number>): void }>(old: ArrayLike<number>, array: T): T {
  array.set(old)
  return array
}
