import { TagNode } from "./tag-node.js"

const SMALLEST = 64

/**
 * Finds the child of a node by its segment, for all nodes of a trie in one array: open addressing with linear probing.
 * A `Map` per node would cost each tag with an entry of its own some 50 bytes more, a fifth of the whole entry.
 */
export class NodeTable {
  #slots: (TagNode | undefined)[] = new Array<TagNode | undefined>(SMALLEST).fill(undefined)
  #mask = SMALLEST - 1
  #size = 0
  // Unknown to whoever sends tags, so that they can't be chosen to meet in one place.
  readonly #multiplier: number

  constructor(random: () => number) {
    this.#multiplier = Math.floor(random() * 2 ** 31) * 2 + 1
  }

  get size(): number {
    return this.#size
  }

  find(parent: TagNode, text: string): TagNode | undefined {
    const segment = compact(text)
    return this.#find(parent, segment, this.#hash(parent, segment))
  }

  findOrAdd(parent: TagNode, text: string): TagNode {
    const segment = compact(text)
    const hash = this.#hash(parent, segment)
    const found = this.#find(parent, segment, hash)
    if (found !== undefined) return found
    const node = new TagNode(parent, segment, hash)
    if ((this.#size + 1) * 4 > this.#slots.length * 3) this.#resize(this.#slots.length * 2)
    this.#size += 1
    this.#put(node)
    return node
  }

  remove(node: TagNode): void {
    const slots = this.#slots
    const mask = this.#mask
    let hole = node.hash & mask
    while (slots[hole] !== node) {
      if (slots[hole] === undefined) return
      hole = (hole + 1) & mask
    }
    this.#size -= 1
    // Nodes that follow move up, so that no probe meets a gap before what it looks for.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const next = slots[at]
      if (next === undefined) break
      const distance = (at - (next.hash & mask)) & mask
      if (distance >= ((at - hole) & mask)) {
        slots[hole] = next
        hole = at
      }
    }
    slots[hole] = undefined
    if (this.#size * 8 < slots.length && slots.length > SMALLEST) this.#resize(slots.length / 2)
  }

  *[Symbol.iterator](): IterableIterator<TagNode> {
    for (const node of this.#slots) if (node !== undefined) yield node
  }

  #find(parent: TagNode, segment: string | number, hash: number): TagNode | undefined {
    const slots = this.#slots
    const mask = this.#mask
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const node = slots[at]
      if (node === undefined) return undefined
      if (node.hash === hash && node.parent === parent && node.segment === segment) return node
    }
  }

  #hash(parent: TagNode, segment: string | number): number {
    if (typeof segment === "number") {
      const mixed = Math.imul(parent.hash ^ (segment + 1), this.#multiplier)
      return Math.imul(mixed ^ (mixed >>> 15), this.#multiplier) & 0x3fffffff
    }
    let hash = parent.hash ^ segment.length
    for (let index = 0; index < segment.length; index += 1) {
      hash = Math.imul(hash ^ segment.charCodeAt(index), this.#multiplier)
      hash ^= hash >>> 15
    }
    // Non-negative and 30 bits, so that every engine stores it without a box.
    return (hash ^ (hash >>> 16)) & 0x3fffffff
  }

  #put(node: TagNode): void {
    let at = node.hash & this.#mask
    while (this.#slots[at] !== undefined) at = (at + 1) & this.#mask
    this.#slots[at] = node
  }

  #resize(length: number): void {
    const old = this.#slots
    this.#slots = new Array<TagNode | undefined>(length).fill(undefined)
    this.#mask = length - 1
    for (const node of old) if (node !== undefined) this.#put(node)
  }
}

/** A decimal text of up to nine digits as its number, which every engine stores without a box; anything else as it is. */
function compact(text: string): string | number {
  const { length } = text
  if (length === 0 || length > 9) return text
  let value = 0
  for (let index = 0; index < length; index += 1) {
    const digit = text.charCodeAt(index) - 48
    if (digit < 0 || digit > 9) return text
    value = value * 10 + digit
  }
  // `007` is another segment than `7`.
  return length > 1 && text.charCodeAt(0) === 48 ? text : value
}
