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

/** Objects with more names are written name by name, here and wherever else shapes are written. */
export const MAX_NAMES = 64
/** Numbers up to 127 are one byte. */
export const MAX_SHAPES = 126
/** Shapes are looked through one after the other, so this writes fewer than may be read. */
const MOST_WRITTEN = 32

/** Puts the objects of a tree of arrays and objects, which it leaves as it is, into shapes. For one tree. */
export class Shaping {
  readonly #shapes: (readonly string[])[] = []
  #isWorthIt = false

  /** The tree in shapes; undefined where no two objects are alike. */
  shape(tree: unknown): unknown {
    const shaped = this.#shaped(tree)
    return this.#isWorthIt ? shaped : undefined
  }

  #shaped(node: unknown): unknown {
    if (typeof node !== "object" || node === null) return node
    if (Array.isArray(node)) return this.#array(node)
    return node instanceof Uint8Array ? node : this.#object(node as Record<string, unknown>)
  }

  #array(array: readonly unknown[]): readonly unknown[] {
    if (array.length === 0) return array
    const shaped: unknown[] = [ARRAY]
    for (const element of array) shaped.push(this.#shaped(element))
    return shaped
  }

  #object(object: Record<string, unknown>): object {
    const names = Object.keys(object)
    if (names.length === 0) return object
    const shaped = names.length > MAX_NAMES ? undefined : this.#begin(names)
    if (shaped === undefined) return this.#nameByName(object, names)
    for (const name of names) shaped.push(this.#shaped(object[name]))
    return shaped
  }

  /** What stands before the values of an object with these names; undefined where there are too many shapes. */
  #begin(names: readonly string[]): unknown[] | undefined {
    const shapes = this.#shapes
    const known = shapes.findIndex((shape) => isSame(shape, names))
    if (known >= 0) {
      this.#isWorthIt = true
      return [FIRST_SHAPE + known]
    }
    if (shapes.length === MOST_WRITTEN) return undefined
    shapes.push(names)
    return [NEW_SHAPE, names]
  }

  #nameByName(object: Record<string, unknown>, names: readonly string[]): object {
    const shaped: Record<string, unknown> = {}
    for (const name of names) shaped[name] = this.#shaped(object[name])
    return shaped
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}
