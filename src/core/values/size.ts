import { InvalidOptionError } from "../base/errors.js"
import { getter, method } from "./built-ins.js"
import { isObject } from "./inspect-object.js"

/**
 * Roughly how many bytes a value occupies in a V8 heap, with what it references: usually within a factor of two. Looks
 * at no more than about a thousand objects and extrapolates from a sample beyond. Runs no accessor, never throws, and
 * counts once what it meets twice.
 */
export function estimateSize(value: unknown): number {
  if (!isObject(value)) return primitiveBytes(value)
  return Math.round(new Estimate(value).bytes())
}

/** The largest weight of one entry, a tebibyte: so many of them that no machine holds them still add up exactly. */
export const MAX_WEIGHT = 2 ** 40

/**
 * The whole bytes that a value weighs against a budget, of what a hook has answered.
 *
 * @throws InvalidOptionError for anything but a number of bytes from 0 to 2^40: a sum with Infinity or NaN in it never
 *   becomes a budget again, and beside 1e22 the small weights are lost.
 */
export function weightOf(bytes: unknown): number {
  if (typeof bytes !== "number" || !(bytes >= 0)) {
    throw new InvalidOptionError("sizeOf", bytes, "it must return a number of bytes, 0 or more")
  }
  if (bytes > MAX_WEIGHT) {
    throw new InvalidOptionError("sizeOf", bytes, "it must return at most 2^40 bytes; what weighs more is not stored")
  }
  return Math.ceil(bytes)
}

const maxNodes = 1_000
const maxSample = 64
const maxScanned = 1_024
const maxDense = 32_768

// Sizes in V8 without pointer compression, as Node.js is built: words of 8 bytes.
const word = 8
const objectBytes = 3 * word
const arrayBytes = 4 * word
const boxedNumberBytes = 2 * word
const stringHeaderBytes = 2 * word
const collectionBytes = 9 * word
// A view, its buffer, and the bookkeeping of the memory outside the heap.
const viewBytes = 200
const opaqueBytes = 12 * word
const functionBytes = 8 * word
// Objects of so many keys are usually dictionaries: they keep a hash table, and names that no other object has.
const dictionaryKeys = 128

class Estimate {
  // Two lists instead of one of pairs: this runs for every value that is stored.
  readonly #nodes: object[]
  readonly #weights: number[] = [1]
  readonly #seen: Set<object>
  #bytes = 0

  constructor(root: object) {
    this.#nodes = [root]
    this.#seen = new Set(this.#nodes)
  }

  bytes(): number {
    let lookedAt = 0
    for (let index = 0; index < this.#nodes.length; index++) {
      if (index === maxNodes) return this.#bytes + (this.#bytes / lookedAt) * this.#weightFrom(index)
      const weight = this.#weights[index] as number
      lookedAt += weight
      try {
        this.#look(this.#nodes[index] as object, weight)
      } catch {
        // A proxy or an exotic object that does not want to be looked at.
        this.#bytes += weight * opaqueBytes
      }
    }
    return this.#bytes
  }

  /** Nodes that wait in the queue are taken to be like those that were looked at. */
  #weightFrom(start: number): number {
    let sum = 0
    for (let index = start; index < this.#weights.length; index++) sum += this.#weights[index] as number
    return sum
  }

  #look(node: object, weight: number): void {
    if (typeof node === "function") this.#bytes += weight * functionBytes
    else if (Array.isArray(node)) this.#array(node, weight)
    else if (ArrayBuffer.isView(node)) this.#bytes += weight * (viewBytes + node.byteLength)
    else if (node instanceof Map) this.#collection(mapEntries.call(node), mapSize.call(node), 3.5, weight)
    else if (node instanceof Set) this.#collection(setEntries.call(node), setSize.call(node), 2.5, weight)
    else if (node instanceof Date) this.#bytes += weight * opaqueBytes
    else if (node instanceof ArrayBuffer) this.#bytes += weight * (viewBytes / 2 + node.byteLength)
    else this.#properties(node, weight)
  }

  #array(array: readonly unknown[], weight: number): void {
    const { length } = array
    const sample: unknown[] = []
    const step = Math.max(1, length / maxSample)
    let holes = 0
    for (let start = 0; start < length; start += step) {
      const element = Object.getOwnPropertyDescriptor(array, positionIn(start, step, sample.length))
      if (element === undefined) holes++
      sample.push(element?.value)
    }
    // A large array of holes is kept as a dictionary; an array of numbers keeps them unboxed.
    const isSparse = length > maxDense && holes === sample.length
    this.#bytes += weight * (arrayBytes + (isSparse || length === 0 ? 0 : (2 + length) * word))
    if (!sample.every((element) => typeof element === "number")) this.#children(sample, length, weight)
  }

  #properties(object: object, weight: number): void {
    const names = Object.keys(object)
    const count = names.length
    const isDictionary = count > dictionaryKeys
    // An empty literal has room for four properties.
    let own = objectBytes + word * (count === 0 ? 4 : count)
    if (isDictionary) own += count * 8 * word
    const sample: unknown[] = []
    const step = Math.max(1, count / maxSample)
    let nameBytes = 0
    for (let start = 0; start < count; start += step) {
      const name = names[positionIn(start, step, sample.length)] as string
      if (isDictionary) nameBytes += primitiveBytes(name)
      sample.push(Object.getOwnPropertyDescriptor(object, name)?.value)
    }
    this.#bytes += weight * (own + nameBytes * step)
    this.#children(sample, count, weight)
  }

  #collection(
    entries: IterableIterator<[unknown, unknown]>,
    size: number,
    wordsPerEntry: number,
    weight: number,
  ): void {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(4, size)))
    this.#bytes += weight * (collectionBytes + capacity * wordsPerEntry * word)
    const sample: unknown[] = []
    let taken = 0
    for (const [key, value] of entries) {
      taken++
      sample.push(key)
      if (value !== key) sample.push(value)
      if (sample.length >= maxSample) break
    }
    this.#children(sample, taken === 0 ? 0 : (sample.length * size) / taken, weight)
  }

  /** Adds the children of one node, of which `sample` stands for `count`. */
  #children(sample: readonly unknown[], count: number, weight: number): void {
    if (sample.length === 0) return
    const before = this.#nodes.length
    let met = 0
    let primitives = 0
    for (const child of sample) {
      if (!isObject(child)) primitives += primitiveBytes(child)
      else {
        met++
        if (this.#seen.has(child)) continue
        this.#seen.add(child)
        this.#nodes.push(child)
      }
    }
    const share = count / sample.length
    this.#bytes += weight * share * primitives
    const fresh = this.#nodes.length - before
    // A sample that meets the same objects again and again has met most of them.
    const each = fresh * 2 > met ? weight * share : weight
    for (let added = 0; added < fresh; added++) this.#weights.push(each)
  }
}

// Even steps would miss every other element of an alternating list, so each pick moves within its step by the golden ratio.
function positionIn(start: number, step: number, pick: number): number {
  return step === 1 ? start : Math.floor(start + ((pick * 0.618_033_988_75) % 1) * step)
}

// Taken from the prototypes, so that no method of a subclass runs.
type EntriesOf = (this: object) => IterableIterator<[unknown, unknown]>
const mapEntries = method(Map.prototype, "entries") as EntriesOf
const setEntries = method(Set.prototype, "entries") as EntriesOf
type SizeOf = (this: object) => number
const mapSize = getter(Map.prototype, "size") as SizeOf
const setSize = getter(Set.prototype, "size") as SizeOf

function primitiveBytes(value: unknown): number {
  if (typeof value === "string") return stringBytes(value)
  // Small integers live in the pointer itself.
  if (typeof value === "number") return (value | 0) === value ? 0 : boxedNumberBytes
  return typeof value === "bigint" ? bigintBytes(value) : 0
}

function stringBytes(text: string): number {
  // The engine keeps one copy of each string of one Latin character.
  if (text.length <= 1) return 0
  const isWide = wide.test(text.length > maxScanned ? text.slice(0, maxScanned) : text)
  return stringHeaderBytes + Math.ceil((text.length * (isWide ? 2 : 1)) / word) * word
}

const wide = /[\u0100-\uffff]/

// Longer than any bigint of an engine.
const longestBigint = 1n << 31n

// Counting digits of a huge one would cost more than its memory is worth. Shifting by half as much each time finds its
// length, and what is shifted is half as long each time.
function bigintBytes(value: bigint): number {
  let rest = value < 0n ? -value : value
  let words = 1
  if (rest >> 64n === 0n) return (2 + words) * word
  for (let shift = longestBigint; shift >= 64n; shift >>= 1n) {
    const upper = rest >> shift
    if (upper === 0n) continue
    rest = upper
    words += Number(shift / 64n)
  }
  return (2 + words) * word
}
