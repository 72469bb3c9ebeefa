import { FrequencySketch, MAX_FREQUENCY } from "./frequency-sketch.js"
import { RecentlyRejected } from "./recently-rejected.js"
import { FIRST_NODE, PROBATION, PROTECTED, SlotLists, WINDOW } from "./slot-lists.js"
import { WindowSize } from "./window-size.js"

export interface EvictionOptions {
  /** May be Infinity. */
  readonly maxEntries: number
  /** In bytes: a safe integer, or Infinity. */
  readonly maxWeight: number
  /** Uniform in [0, 1); Math.random unless given. */
  readonly random?: () => number
  /** Asked for once the budgets are half full: nobody goes before. */
  readonly advisor?: () => Advisor
}

/** Tells when recency alone would do better. */
export interface Advisor {
  readonly prefersRecency: boolean
  /** Share of the budgets that the window should have where frequency does better. */
  readonly windowShare: number
  /** An entry that was there before its advice was asked for. */
  learn(hash: number, weight: number): void
  /** A request for the key of that hash, and whether its entry was there. */
  use(hash: number, weight: number, wasHit: boolean): void
  /** The entry of that key has gone for a reason that is not the policy's. */
  forget(hash: number): void
}

// As in Caffeine: counts are halved after ten accesses per entry.
const ACCESSES_PER_ENTRY_AND_AGE = 10

// Margin by which the window's size is judged: this share of the entries at the main part's end, and as many just
// rejected.
const MARGIN_SHARE = 1 / 16
const MAX_MARGIN = 16_384

// Hits are noted in a ring and replayed, in order, before anything else happens. Of more than this many between two
// changes (a hit ratio above 99.9 %) the newest stand for all: order matters only to who goes next, and nobody does.
const RING_LENGTH = 1024
// After the window was resized, entries change lists in small steps: no operation pays for them all.
const MOVES_PER_OPERATION = 32

// A look at whom a candidate would push out ends here: a heavy one among a million that nobody has used lately would
// hold up everybody else. Until it has its room it may still be refused, see `#victimFor`.
const VICTIMS_PER_LOOK = 512

// A rejected candidate that is not cold gets in anyhow once in a while: whoever raised the counters of the victims by
// colliding keys (hash flooding) could otherwise shut out everybody else for good.
const WARM_FREQUENCY = 6
const WARM_ADMISSION = 1 / 128
// A candidate that leads by one use only is refused once in a while. In a loop that one is the present use, which its victim
// has yet to get: were it always admitted, the next key to be read would always be the one that just went.
const CLOSE_REFUSAL = 1 / 4

/**
 * Decides which slot goes when the memory tier is over its budget: W-TinyLFU with an adaptive window.
 *
 * New entries pass through a small LRU window. An entry that leaves it gets into the main part, a segmented LRU, only
 * if it has been used more often than what would have to go for it (Einziger, Friedman, Manes: "TinyLFU: A Highly
 * Efficient Cache Admission Policy", ACM Transactions on Storage 13(4), 2017). A heavy candidate must have been used
 * more often than all its victims together (Einziger, Eytan, Friedman, Manes: "Lightweight Robust Size Aware Cache
 * Management", ACM Transactions on Storage 18(3), 2022). How large the window is, see {@link WindowSize}. While its advisor
 * prefers recency the window has it all, which is LRU.
 *
 * Evictions are asked for one at a time, each of them quick, and may be put off: the policy stays over its budgets
 * then, and goes on with the same decision when it is asked again, whatever was inserted, used or removed in between.
 *
 * Knows slots only, small dense integers, and keeps all it knows in typed arrays: 13 bytes per entry, about 3 for
 * history, 8 more for weights where there is a byte budget (and at most 20 KB more: small sketches are more precise).
 */
export class WindowTinyLfu {
  #maxEntries: number
  #maxWeight: number
  readonly #random: () => number
  readonly #sketch: FrequencySketch
  readonly #rejected = new RecentlyRejected()
  readonly #lists: SlotLists
  readonly #window: WindowSize
  readonly #advisorOf: (() => Advisor) | undefined
  #advisor: Advisor | undefined
  #hashes: Int32Array

  readonly #ring = new Int32Array(RING_LENGTH)
  #ringAt = 0
  #hasWrapped = false
  #recording = false
  #accesses = 0

  #evicted = false // since the budgets held last
  #contended = false // the last change needed an eviction

  // Candidate that was admitted (0: none): the weight that the main part still has to give for it, and how often its
  // victims may have been used, all together.
  #admitted = 0
  #owed = 0
  #mayCost = 0

  constructor(options: EvictionOptions) {
    this.#maxEntries = options.maxEntries
    this.#maxWeight = options.maxWeight
    this.#random = options.random ?? Math.random
    this.#advisorOf = options.advisor
    this.#sketch = new FrequencySketch(Math.floor(this.#random() * 2 ** 32), this.#maxEntries)
    const slots = Math.min(this.#maxEntries + 1, 16)
    this.#lists = new SlotLists(slots, this.#maxWeight !== Infinity)
    this.#hashes = new Int32Array(slots)
    this.#window = new WindowSize(this.#maxEntries, this.#maxWeight)
  }

  get size(): number {
    return this.#lists.size
  }

  /** Weight of all entries; 0 where there is no byte budget, as weights are not kept then. */
  get weight(): number {
    return this.#lists.weight
  }

  /** Weight beyond its budget; 0 when it holds. */
  get excessWeight(): number {
    return Math.max(0, this.#lists.weight - this.#maxWeight)
  }

  get isOver(): boolean {
    return this.#lists.size > this.#maxEntries || this.#lists.weight > this.#maxWeight
  }

  /** Share of the budgets that the window has where frequency decides. */
  get windowShare(): number {
    return this.#window.share
  }

  /** 0 where there is no byte budget. */
  weightOf(slot: number): number {
    return this.#lists.weightOf(slot + FIRST_NODE)
  }

  /** Whether to evict what was used least recently, whatever its frequency. What is known of frequencies is kept. */
  followRecency(isOn: boolean, windowShare = this.#window.share): void {
    if (isOn === this.#window.isWhole) return
    if (isOn) this.#window.setWhole()
    else this.#window.setShare(windowShare)
  }

  /** Other budgets. Call `evict` afterwards until it returns -1. */
  limit(maxEntries: number, maxWeight: number): void {
    this.#maxEntries = maxEntries
    this.#maxWeight = maxWeight
    this.#window.limit(maxEntries, maxWeight)
    this.#setRecording()
  }

  /**
   * A new entry, in a slot that is not in use. `hash`: a well-mixed 32-bit integer of its key. `weight`: an integer from
   * 0, of which all sums are safe. Counts as one access. Call `evict` afterwards until it returns -1, or later.
   */
  insert(slot: number, hash: number, weight: number): void {
    this.#replay()
    const lists = this.#lists
    if (slot >= lists.capacity) this.#grow(Math.max(slot + 1, Math.min(2 * lists.capacity, this.#maxEntries + 1)))
    if (this.#rejected.take(hash, lists.marginSize)) this.#window.move(1, lists.size)
    const node = slot + FIRST_NODE
    this.#hashes[slot] = hash
    lists.add(node, WINDOW, Math.min(MAX_FREQUENCY, this.#sketch.frequency(hash) + 1), weight)
    // An entry that the window can't hold is judged at once instead of pushing out all others first.
    if (weight > this.#window.maxWindowWeight) lists.moveToLastOfWindow(node)
    this.#countAccesses(1)
    this.#setRecording()
    this.#takeAdvice(node, false)
  }

  /** The entry of that slot was replaced. Counts as an access. Call `evict` afterwards until it returns -1, or later. */
  replace(slot: number, weight: number): void {
    this.#replay()
    const node = slot + FIRST_NODE
    const lists = this.#lists
    this.#use(node)
    this.#countAccesses(1)
    if (node === this.#admitted) this.#endAdmission()
    lists.reweigh(node, weight)
    const most = lists.listOf(node) === WINDOW ? this.#window.maxWindowWeight : this.#maxWeight
    if (weight > most) lists.moveToLastOfWindow(node)
    this.#setRecording()
    this.#takeAdvice(node, true)
  }

  /** A hit: only noted here, it takes effect before the next change. Of more than a thousand the newest count. */
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
    this.#advisor?.forget(this.#hashes[slot]!)
    this.#forget(slot + FIRST_NODE)
    if (!this.isOver) this.#endAdmission()
    this.#setRecording()
  }

  /**
   * A slot that must go for the budgets to hold, already removed here, or -1 when they hold. The newest one may
   * be it: then its admission was refused.
   */
  evict(): number {
    this.#replay()
    if (!this.isOver) {
      this.#contended = this.#evicted
      this.#evicted = false
      this.#endAdmission()
      this.#passOnWindow()
      this.#passOnProtected()
      if (this.#contended) this.#lists.extendMargin(this.#wantedMargin(), MOVES_PER_OPERATION)
      return -1
    }
    const node = this.#chooseVictim()
    this.#forget(node)
    this.#evicted = true
    return node - FIRST_NODE
  }

  /** For tests: throws an Error that says what is inconsistent. Takes time in proportion to the slots. */
  check(): void {
    this.#lists.check()
    if (this.#admitted !== 0 && this.#lists.listOf(this.#admitted) === 0)
      throw new Error("who was admitted is not here")
    if (this.#admitted === 0 && this.#owed !== 0) throw new Error("weight is owed for nobody")
  }

  #chooseVictim(): number {
    if (this.#owed > 0) {
      const victim = this.#victimFor(this.#admitted)
      if (victim !== 0) return victim
    }
    const lists = this.#lists
    const candidate = lists.before(WINDOW)
    if (this.#window.isWhole) return lists.weightOf(candidate) > this.#maxWeight ? candidate : this.#nextOfMain()
    if (!this.#isWindowOver()) return this.#nextOfMain()
    const needed = Math.min(lists.weightOf(candidate), lists.weight - this.#maxWeight)
    const isAdmitted = this.#isAdmitted(candidate, needed)
    this.#rejected.pass()
    if (lists.size === lists.sizes[WINDOW]) this.#window.probeMain()
    if (!isAdmitted) {
      this.#reject(candidate)
      return candidate
    }
    const victim = this.#nextOfMain()
    lists.moveToFirst(candidate, PROBATION)
    if (needed > 0) {
      this.#admitted = candidate
      this.#owed = needed - lists.weightOf(victim)
      this.#mayCost -= lists.frequencyOf(victim)
    }
    return victim
  }

  /**
   * Whether the candidate has been used more often than those together that would have to go for it. With very many of
   * them only the first are looked at, and the others one by one when it is their turn.
   */
  #isAdmitted(candidate: number, needed: number): boolean {
    const lists = this.#lists
    // Nothing could make room for it.
    if (lists.weightOf(candidate) > this.#maxWeight) return false
    const frequency = lists.frequencyOf(candidate)
    let frequencies = 0
    let victim = lists.before(PROBATION)
    this.#mayCost = frequency
    for (let looks = 0; looks < VICTIMS_PER_LOOK; looks++) {
      if (victim === PROBATION) victim = lists.before(PROTECTED)
      if (victim === PROTECTED) return false
      frequencies += lists.frequencyOf(victim)
      if (frequencies >= frequency) {
        this.#mayCost = Infinity
        return frequency >= WARM_FREQUENCY && this.#random() < WARM_ADMISSION
      }
      needed -= lists.weightOf(victim)
      if (needed <= 0) return !this.#isRefusedAnyhow(frequency - frequencies, frequencies)
      victim = lists.before(victim)
    }
    return true
  }

  #isRefusedAnyhow(lead: number, frequencies: number): boolean {
    return lead === 1 && frequencies > 0 && this.#random() < CLOSE_REFUSAL
  }

  /**
   * The next to go for a candidate that was admitted: the main part's last, or the candidate itself once its victims
   * together have been used as often as it, which a look at the first ones could not tell. 0 if nobody is left to go.
   */
  #victimFor(admitted: number): number {
    const lists = this.#lists
    let victim = lists.before(PROBATION)
    if (victim === admitted) victim = lists.before(victim)
    if (victim === PROBATION) victim = lists.before(PROTECTED)
    if (victim === admitted) victim = lists.before(victim)
    if (victim === PROTECTED) {
      this.#endAdmission()
      return 0
    }
    this.#mayCost -= lists.frequencyOf(victim)
    if (this.#mayCost <= 0) {
      this.#reject(admitted)
      return admitted
    }
    this.#owed -= lists.weightOf(victim)
    return victim
  }

  #nextOfMain(): number {
    const lists = this.#lists
    if (lists.sizes[PROBATION]! > 0) return lists.before(PROBATION)
    if (lists.sizes[PROTECTED]! > 0) return lists.before(PROTECTED)
    return lists.before(WINDOW)
  }

  #reject(node: number): void {
    this.#rejected.add(this.#hashes[node - FIRST_NODE]!, this.#wantedMargin())
  }

  #endAdmission(): void {
    this.#admitted = 0
    this.#owed = 0
  }

  #replay(): void {
    const length = this.#hasWrapped ? RING_LENGTH : this.#ringAt
    if (length === 0) return
    const oldest = this.#hasWrapped ? this.#ringAt : 0
    this.#ringAt = 0
    this.#hasWrapped = false
    const ring = this.#ring
    const advisor = this.#advisor
    for (let index = 0; index < length; index++) {
      const slot = ring[(oldest + index) & (RING_LENGTH - 1)]!
      const isThere = this.#use(slot + FIRST_NODE)
      if (isThere && advisor !== undefined) advisor.use(this.#hashes[slot]!, this.weightOf(slot), true)
    }
    this.#countAccesses(length)
  }

  /** Gives whether the slot is in use. */
  #use(node: number): boolean {
    const list = this.#lists.use(node)
    if (list === WINDOW) return true
    if (list === 0) return false
    if (this.#window.isWhole) this.#lists.moveToFirst(node, WINDOW)
    else if (list === PROBATION) this.#promote(node)
    return true
  }

  /** To the protected list. In the steady state another one makes room for it, and nothing needs to be counted. */
  #promote(node: number): void {
    const lists = this.#lists
    if (this.#contended && lists.isInMargin(node)) this.#window.move(-1, lists.size)
    const count = lists.sizes[PROTECTED]!
    if (this.#maxWeight === Infinity && count > 0 && count + 1 > this.#window.maxProtectedEntries) {
      lists.exchange(node)
      return
    }
    lists.moveToFirst(node, PROTECTED)
    this.#passOnProtected()
  }

  #countAccesses(count: number): void {
    this.#accesses += count
    if (this.#accesses < ACCESSES_PER_ENTRY_AND_AGE * Math.max(16, this.#lists.size)) return
    this.#accesses >>>= 1
    this.#sketch.age()
    this.#lists.halveFrequencies()
  }

  #isWindowOver(): boolean {
    const { sizes, listWeights } = this.#lists
    return sizes[WINDOW]! > this.#window.maxWindowEntries || listWeights[WINDOW]! > this.#window.maxWindowWeight
  }

  /** Moves entries that the window can't hold on without admission: there is room for all. */
  #passOnWindow(): void {
    for (let moves = MOVES_PER_OPERATION; moves > 0 && this.#isWindowOver(); moves--) {
      this.#lists.moveToFirst(this.#lists.before(WINDOW), PROBATION)
    }
  }

  #passOnProtected(): void {
    const lists = this.#lists
    for (let moves = MOVES_PER_OPERATION; moves > 0; moves--) {
      const isOver =
        lists.sizes[PROTECTED]! > this.#window.maxProtectedEntries ||
        lists.listWeights[PROTECTED]! > this.#window.maxProtectedWeight
      if (!isOver) return
      lists.moveToFirst(lists.before(PROTECTED), PROBATION)
    }
  }

  #wantedMargin(): number {
    return Math.min(MAX_MARGIN, Math.max(1, Math.round(MARGIN_SHARE * this.#lists.size)))
  }

  #setRecording(): void {
    this.#recording = 2 * this.#lists.size >= this.#maxEntries || 2 * this.#lists.weight >= this.#maxWeight
  }

  #takeAdvice(node: number, wasHit: boolean): void {
    const advisor = this.#advisor
    if (advisor !== undefined) {
      advisor.use(this.#hashes[node - FIRST_NODE]!, this.#lists.weightOf(node), wasHit)
      this.followRecency(advisor.prefersRecency, advisor.windowShare)
    } else if (this.#recording && this.#advisorOf !== undefined) {
      this.#advisor = this.#advisorOf()
      this.#tellAll(this.#advisor)
    }
  }

  /** The order is that of arrival, as far as slots were not used again: no hits were noted yet. */
  #tellAll(advisor: Advisor): void {
    for (let slot = 0; slot < this.#lists.capacity; slot++) {
      if (this.#lists.listOf(slot + FIRST_NODE) !== 0) advisor.learn(this.#hashes[slot]!, this.weightOf(slot))
    }
  }

  #forget(node: number): void {
    if (node === this.#admitted) this.#endAdmission()
    this.#sketch.ensureCapacity(Math.min(this.#lists.capacity, this.#maxEntries))
    this.#sketch.raise(this.#hashes[node - FIRST_NODE]!, this.#lists.frequencyOf(node))
    this.#lists.remove(node)
  }

  #grow(slots: number): void {
    this.#lists.grow(slots)
    const hashes = new Int32Array(slots)
    hashes.set(this.#hashes)
    this.#hashes = hashes
  }
}
