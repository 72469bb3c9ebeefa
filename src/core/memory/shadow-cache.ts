/** Decides which slot goes. Slots are integers from 0, and the smallest that are free are used. */
export interface ShadowedPolicy {
  readonly size: number
  insert(slot: number, hash: number, weight: number): void
  replace(slot: number, weight: number): void
  touch(slot: number): void
  remove(slot: number): void
  /** A slot that must go for the budgets to hold, already removed, or -1 when they hold. */
  evict(): number
  weightOf(slot: number): number
  limit(maxEntries: number, maxWeight: number): void
  check(): void
}

export interface Budgets {
  /** May be Infinity. */
  readonly maxEntries: number
  /** In bytes: a safe integer, or Infinity. */
  readonly maxWeight: number
}

const LEAST_BUCKETS = 16

/**
 * A cache of keys without values: tells whether each request would have been a hit, had this policy decided.
 *
 * Keys are 32-bit integers, well mixed, with a seed that nobody outside knows: their chains stay short.
 */
export class ShadowCache {
  readonly #policy: ShadowedPolicy
  readonly #budgets: Budgets
  /** First slot of each chain and next one of each slot, each plus one; 0 where there is none. */
  readonly #heads: Int32Array
  readonly #nexts: Int32Array
  readonly #keys: Int32Array
  readonly #shift: number
  readonly #free: number[] = []
  /** Slots that were ever in use. */
  #slots = 0
  #maxWeight: number

  /** @param slots one more than the keys that stay: a new key is in before another goes. */
  constructor(policy: ShadowedPolicy, budgets: Budgets, slots: number) {
    this.#policy = policy
    this.#budgets = budgets
    this.#maxWeight = budgets.maxWeight
    let buckets = LEAST_BUCKETS
    while (2 * buckets < slots) buckets *= 2
    this.#heads = new Int32Array(buckets)
    this.#shift = 32 - Math.log2(buckets)
    this.#nexts = new Int32Array(slots)
    this.#keys = new Int32Array(slots)
  }

  get size(): number {
    return this.#policy.size
  }

  /** In bytes: what an entry may weigh to be held. */
  get maxWeight(): number {
    return this.#maxWeight
  }

  /** A request for the key, whose entry has this weight. Gives whether it was a hit; a key that was not here is now. */
  use(key: number, weight: number): boolean {
    const known = this.#slotOf(key)
    if (known < 0) {
      this.#insert(key, weight)
      return false
    }
    if (this.#policy.weightOf(known) === weight) {
      this.#policy.touch(known)
    } else {
      this.#policy.replace(known, weight)
      this.#evict()
    }
    return true
  }

  /** The entry of that key has gone for a reason that is not the policy's. */
  forget(key: number): void {
    const slot = this.#slotOf(key)
    if (slot < 0) return
    this.#policy.remove(slot)
    this.#unlink(slot)
  }

  /** Keeps only keys whose bits in the mask are all 0, and gives them their share of the budgets. */
  thin(mask: number): void {
    for (let bucket = 0; bucket < this.#heads.length; bucket++) {
      for (let link = this.#heads[bucket]!; link !== 0;) {
        const slot = link - 1
        link = this.#nexts[slot]!
        if ((this.#keys[slot]! & mask) !== 0) this.forget(this.#keys[slot]!)
      }
    }
    const { maxEntries, maxWeight } = this.#budgets
    this.#maxWeight = maxWeight / (mask + 1)
    this.#policy.limit(Math.max(1, Math.round(maxEntries / (mask + 1))), this.#maxWeight)
    this.#evict()
  }

  /** For tests: throws an Error that says what is inconsistent. Takes time in proportion to the keys. */
  check(): void {
    this.#policy.check()
    let linked = 0
    this.#heads.forEach((head, bucket) => {
      for (let link = head; link !== 0; link = this.#nexts[link - 1]!) {
        if (this.#keys[link - 1]! >>> this.#shift !== bucket) throw new Error(`slot ${link - 1} is in a wrong chain`)
        linked++
      }
    })
    if (linked !== this.#policy.size) throw new Error(`${linked} keys, but the policy knows ${this.#policy.size}`)
    if (linked + this.#free.length !== this.#slots) throw new Error("a slot is neither free nor linked")
  }

  #insert(key: number, weight: number): void {
    const slot = this.#free.pop() ?? this.#slots++
    const bucket = key >>> this.#shift
    this.#keys[slot] = key
    this.#nexts[slot] = this.#heads[bucket]!
    this.#heads[bucket] = slot + 1
    this.#policy.insert(slot, key, weight)
    this.#evict()
  }

  #evict(): void {
    for (let victim = this.#policy.evict(); victim >= 0; victim = this.#policy.evict()) this.#unlink(victim)
  }

  #slotOf(key: number): number {
    for (let link = this.#heads[key >>> this.#shift]!; link !== 0; link = this.#nexts[link - 1]!) {
      if (this.#keys[link - 1] === key) return link - 1
    }
    return -1
  }

  #unlink(slot: number): void {
    const bucket = this.#keys[slot]! >>> this.#shift
    const next = this.#nexts[slot]!
    if (this.#heads[bucket] === slot + 1) {
      this.#heads[bucket] = next
    } else {
      let before = this.#heads[bucket]! - 1
      while (this.#nexts[before] !== slot + 1) before = this.#nexts[before]! - 1
      this.#nexts[before] = next
    }
    this.#free.push(slot)
  }
}
