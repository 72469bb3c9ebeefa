/*
 * Objects that are alike, such as the rows of a query, name their properties once: in an entry with a flag for it, each
 * array begins with a number that says what it stands for. No others than MessagePack's own kinds are needed for that.
 *
 *     [{ id: 1, name: "Ada" }, { id: 2, name: "Bob" }]
 *     [0, [1, ["id", "name"], 1, "Ada"], [2, 2, "Bob"]]
 *
 * An empty array has no number. An object may still be written name by name.
 */

/** The rest are the elements of an array. */
export const ARRAY = 0
/** An object: an array of its names, which are the next shape from here on, then its values. */
export const NEW_SHAPE = 1
/** An object of the first shape: its values. The next number stands for the second, and so on. */
export const FIRST_SHAPE = 2

/** Objects with more names are written name by name. */
export const MAX_NAMES = 64
/** Numbers up to 127 are one byte. */
export const MAX_SHAPES = 126
/** Shapes are looked through one after the other, so this writes fewer than may be read. */
const MOST_WRITTEN = 32

interface Shape {
  readonly names: readonly string[]
  /** How many bytes each further object of it has less than name by name. */
  readonly saves: number
}

/** Puts the objects of a tree of arrays and objects, which it leaves as it is, into shapes. For one tree. */
export class Shaping {
  readonly #shapes: Shape[] = []
  /** The shape of each object, or -1, in the order in which they are met. */
  readonly #found: number[] = []
  #met = 0
  #begun = 0
  #saved = 0

  /** The tree in shapes; undefined where that would not be shorter by a byte for each object, which is what making it costs. */
  shape(tree: unknown): unknown {
    if (!isNode(tree)) return undefined
    this.#look(tree)
    return this.#saved > this.#found.length ? this.#shaped(tree) : undefined
  }

  #look(node: object): void {
    if (Array.isArray(node)) {
      const array: readonly unknown[] = node
      const { length } = array
      this.#saved -= length === 0 ? 0 : isLastOfItsWidth(length) ? 3 : 1
      for (const element of array) if (isNode(element)) this.#look(element)
      return
    }
    const names = Object.keys(node)
    this.#found.push(this.#shapeOf(names))
    for (const name of names) {
      const value = (node as Record<string, unknown>)[name]
      if (isNode(value)) this.#look(value)
    }
  }

  #shapeOf(names: readonly string[]): number {
    if (names.length === 0 || names.length > MAX_NAMES) return -1
    const shapes = this.#shapes
    for (let index = 0; index < shapes.length; index++) {
      const { names: known, saves } = shapes[index] as Shape
      if (!isSame(known, names)) continue
      this.#saved += saves
      return index
    }
    if (shapes.length === MOST_WRITTEN) return -1
    let saves = isLastOfItsWidth(names.length) ? -3 : -1
    for (const name of names) saves += name.length + 1
    this.#saved -= 3
    return shapes.push({ names, saves }) - 1
  }

  #shaped(node: object): object {
    if (Array.isArray(node)) {
      const array: readonly unknown[] = node
      if (array.length === 0) return array
      const shaped: unknown[] = [ARRAY]
      for (const element of array) shaped.push(isNode(element) ? this.#shaped(element) : element)
      return shaped
    }
    const object = node as Record<string, unknown>
    const index = this.#found[this.#met++] as number
    if (index < 0) {
      const shaped: Record<string, unknown> = {}
      for (const name of Object.keys(object)) {
        const value = object[name]
        shaped[name] = isNode(value) ? this.#shaped(value) : value
      }
      return shaped
    }
    const { names } = this.#shapes[index] as Shape
    const isFirst = index === this.#begun
    if (isFirst) this.#begun++
    const shaped: unknown[] = isFirst ? [NEW_SHAPE, names] : [FIRST_SHAPE + index]
    for (const name of names) {
      const value = object[name]
      shaped.push(isNode(value) ? this.#shaped(value) : value)
    }
    return shaped
  }
}

function isNode(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array)
}

/** With one element more, MessagePack writes the length of an array in two bytes more. */
function isLastOfItsWidth(length: number): boolean {
  return length === 15 || length === 65_535
}

/** From the end: of names that are nearly alike, the first ones are. */
function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let index = a.length - 1; index >= 0; index--) if (a[index] !== b[index]) return false
  return true
}
