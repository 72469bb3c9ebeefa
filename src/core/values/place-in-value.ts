import { UncacheableValueError, show } from "../base/errors.js"
import { dataProperty } from "./inspect-object.js"
import { step } from "./key-text.js"

/** The objects of a value in the order in which they were met, each with the index of the one that it was met in. */
export interface Walk {
  readonly nodes: readonly object[]
  /** Below zero for the value itself. */
  readonly parents: readonly number[]
}

/**
 * The error for an object of a value that its isolation can't handle, with its place: `An object (User) at
 * `value.rows[0].owner``.
 *
 * @param parent index of the node that the object was met in; below zero where it is the value itself.
 */
export function misfit(
  walk: Walk,
  parent: number,
  object: unknown,
  subject: string | undefined,
  reason: string,
): Error {
  let path = ""
  let child = object
  for (let at = parent; at >= 0; at = walk.parents[at] as number) {
    const node = walk.nodes[at] as object
    path = stepTo(node, child) + path
    child = node
  }
  const shown = show(object)
  const long = path.length > 120 ? `${path.slice(0, 60)} … ${path.slice(-50)}` : path
  const kind = shown.charAt(0).toUpperCase() + shown.slice(1) + (path === "" ? "" : ` at \`value${long}\``)
  return new UncacheableValueError(kind, subject, reason)
}

/** The step from an object to one that it holds. Never throws. */
function stepTo(parent: object, child: unknown): string {
  try {
    return found(parent, child)
  } catch {
    return "[?]"
  }
}

function found(parent: object, child: unknown): string {
  if (parent instanceof Map) {
    let position = 0
    for (const [key, value] of Map.prototype.entries.call(parent) as MapIterator<[unknown, unknown]>) {
      if (value === child)
        return typeof key === "string" ? `.get(${JSON.stringify(key)})` : `.entries()[${position}][1]`
      if (key === child) return `.entries()[${position}][0]`
      position += 1
    }
  }
  if (parent instanceof Set) {
    return `.values()[${[...(Set.prototype.values.call(parent) as SetIterator<unknown>)].indexOf(child)}]`
  }
  for (const name of Reflect.ownKeys(parent)) {
    if (dataProperty(parent, name) !== child) continue
    if (typeof name === "symbol") return `[${String(name)}]`
    return Array.isArray(parent) && /^\d+$/.test(name) ? `[${name}]` : step(name)
  }
  return "[?]"
}
