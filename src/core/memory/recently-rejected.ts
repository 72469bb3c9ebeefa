const GHOSTS_PER_BUCKET = 4
const AGE_MASK = 0xffff

/**
 * The keys that left the window last and were refused by the main part: 16 bits of the hash and 16 bits of the time,
 * counted in entries that left the window. A key that was forgotten too early, or a false match, is only a little noise
 * in the window's size.
 */
export class RecentlyRejected {
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
