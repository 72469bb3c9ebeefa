import { ArgumentsChangedError } from "../base/load-errors.js"
import { cloneValue } from "../values/clone-value.js"
import { isObject } from "../values/inspect-object.js"
import type { Asked } from "./load-request.js"

/**
 * A call with its arguments as they are now, for one that has to wait: its caller may change them meanwhile, and the key was
 * made of what they are now. Plain data is copied; for the rest the key is made again as the load begins.
 */
export function asItIs<T extends Asked>(asked: T): T {
  const { args, self } = asked
  let mayHaveChanged = isObject(self)
  if (asked.given !== undefined || (!mayHaveChanged && !args.some(isObject))) return asked
  const kept = args.map((argument) => {
    try {
      return cloneValue(argument)
    } catch {
      mayHaveChanged = true
      return argument
    }
  })
  return { ...asked, args: kept, given: args, mayHaveChanged }
}

/** The error of a load whose arguments have become those of another key; undefined where they have not. */
export function changeOf({ definition, id, self, args, given, mayHaveChanged }: Asked): unknown {
  const { table, idOfCall } = definition
  if (mayHaveChanged !== true || idOfCall === undefined) return undefined
  try {
    const now = idOfCall(self, args)
    // A key may go by the identity of what was copied.
    if (Object.is(now, id) || Object.is(idOfCall(self, given ?? args), id)) return undefined
    return new ArgumentsChangedError(table.keyOf(id), table.keyOf(now))
  } catch (error) {
    return error
  }
}
