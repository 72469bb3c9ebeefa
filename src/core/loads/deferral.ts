import { ArgumentsChangedError } from "../base/load-errors.js"
import { isObject } from "../values/inspect-object.js"
import { cloneValue } from "../values/clone-value.js"
import type { LoadRequest } from "./load-request.js"

/**
 * A request with its arguments as they are now, for a load that has to wait: its caller may change them meanwhile, and the
 * key was made of what they are now. Plain data is copied; for the rest the key is made again as the load begins.
 */
export function asItIs(request: LoadRequest): LoadRequest {
  const { args, self } = request
  let mayHaveChanged = isObject(self)
  if (request.hasWaited === true || (!mayHaveChanged && !args.some(isObject))) return request
  const kept = args.map((argument) => {
    try {
      return cloneValue(argument)
    } catch {
      mayHaveChanged = true
      return argument
    }
  })
  return { ...request, args: kept, hasWaited: true, mayHaveChanged }
}

/** The error of a load whose arguments have become those of another key; undefined where they have not. */
export function changeOf({ definition, id, self, args, mayHaveChanged }: LoadRequest): unknown {
  if (mayHaveChanged !== true || definition.idOfCall === undefined) return undefined
  try {
    const now = definition.idOfCall(self, args)
    if (Object.is(now, id)) return undefined
    return new ArgumentsChangedError(definition.table.keyOf(id), definition.table.keyOf(now))
  } catch (error) {
    return error
  }
}
