import { nearestName } from "./nearest-name.js"

/**
 * The first segments of all tags on which something ever depended, so that an invalidation that can reach nothing is told
 * from one that merely found nothing. Bounded: with more names than `most` nothing is known any more, and nothing is said.
 */
export class KnownNames {
  readonly #names = new Set<string>()
  readonly #most: number
  #isComplete = true
  // Tags of one kind come one after the other.
  #last: string | undefined

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#names.size
  }

  note(name: string): void {
    if (name === this.#last || !this.#isComplete) return
    this.#last = name
    if (this.#names.has(name)) return
    if (this.#names.size < this.#most) this.#names.add(name)
    else {
      this.#isComplete = false
      this.#names.clear()
    }
  }

  /** Whether nothing ever depended on a tag of that name. False also where that can't be told. */
  lacks(name: string): boolean {
    return this.#isComplete && !this.#names.has(name)
  }

  /** The name that was probably meant. */
  nearest(name: string): string | undefined {
    return nearestName(name, this.#names)
  }
}

/** The names of all tags that `defineTags` was given: whoever uses one has not mistyped it. */
export const definedNames = new KnownNames(1000)
