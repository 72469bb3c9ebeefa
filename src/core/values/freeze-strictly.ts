import { isDirectArray, isObject, isPlainObject } from "./inspect-object.js"
import { quote } from "./key-text.js"
import { misfit, type Walk } from "./place-in-value.js"

/**
 * Deep-freezes a value in place of which nothing may stay changeable: it consists of primitives, arrays and plain
 * objects. Properties are followed whatever their names, the hidden ones too. Needs no recursion, ends on cycles.
 *
 * @throws UncacheableValueError naming the place of what can't be frozen: dates, maps, typed arrays, class instances,
 *   functions, accessors. Nothing has been frozen then.
 */
export function freezeStrictly(value: unknown, subject?: string): void {
  if (!isObject(value)) return
  const { nodes } = new Survey(value, subject)
  for (const node of nodes) Object.freeze(node)
}

class Survey implements Walk {
  readonly nodes: object[] = []
  readonly parents: number[] = []
  readonly #seen = new Set<object>()
  readonly #subject: string | undefined

  constructor(root: object, subject: string | undefined) {
    this.#subject = subject
    this.#take(root, -1)
    for (let index = 0; index < this.nodes.length; index += 1) this.#walk(this.nodes[index] as object, index)
  }

  #walk(node: object, index: number): void {
    for (const name of Reflect.ownKeys(node)) {
      const property = Object.getOwnPropertyDescriptor(node, name)
      if (property === undefined) continue
      if (!("value" in property)) {
        const parent = this.parents[index] as number
        this.#refuse(
          node,
          parent,
          `its property ${typeof name === "symbol" ? String(name) : quote(name)} is an accessor`,
        )
      }
      if (isObject(property.value)) this.#take(property.value, index)
    }
  }

  #take(value: object, parent: number): void {
    if (this.#seen.has(value)) return
    const isFreezable =
      typeof value !== "function" && (Array.isArray(value) ? isDirectArray(value) : isPlainObject(value))
    if (!isFreezable) this.#refuse(value, parent, "only arrays and plain objects can be")
    this.#seen.add(value)
    this.nodes.push(value)
    this.parents.push(parent)
  }

  #refuse(value: object, parent: number, reason: string): never {
    const advice = `can't be frozen: ${reason}. Return plain data, or choose another \`isolation\` than "strict".`
    throw misfit(this, parent, value, this.#subject, advice)
  }
}
