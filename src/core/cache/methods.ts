import { currentFrame } from "../loads/frame.js"
import type { AnyFunction } from "../options/options.js"
import type { Token } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { attempt, type FunctionDefinition, type View } from "./definition.js"
import { type Explanation, explain } from "./explain.js"
import { primeAll, type PrimeOptions } from "./prime.js"

/** Methods that all forms of cached functions have, by the arguments of a call. */
export interface CommonMethods {
  readonly keyOf: (args: readonly unknown[]) => string
  readonly peek: (args: readonly unknown[]) => unknown
  readonly delete: (calls: readonly (readonly unknown[])[]) => Promise<Token | undefined>
  readonly clear: () => Promise<Token | undefined>
  readonly explain: (args: readonly unknown[]) => Explanation
  readonly prime: (
    items: readonly (readonly [args: readonly unknown[], value: unknown])[],
    options: PrimeOptions | undefined,
  ) => Promise<Token | undefined>
}

export function commonMethods(view: View, definition: FunctionDefinition): CommonMethods {
  const { core } = view
  const { table, behaviour } = definition
  const idOf = (args: readonly unknown[]): EntryId => definition.idOfCall(undefined, args)
  return {
    keyOf: (args) => table.keyOf(idOf(args)),
    peek: (args) => core.reader.peek(table, idOf(args), currentFrame(), true, behaviour.whenUnsure)?.value,
    delete: (calls) => attempt(() => core.writer.deleteKeys(calls.map((args) => ({ table, id: idOf(args) })))),
    clear: () => core.writer.clearFunction(table),
    explain: (args) => explain(core, table, idOf(args)),
    prime: (items, options) => attempt(() => primeAll(view, definition, items, options)),
  }
}

/**
 * The methods of a function of arguments, synchronous or not.
 *
 * @param refresh loads anew; `self` is the `this` that the loader gets.
 */
export function functionMethods(
  view: View,
  definition: FunctionDefinition,
  cached: AnyFunction,
  refresh: (self: unknown, args: readonly unknown[]) => unknown,
): object {
  const common = commonMethods(view, definition)
  return {
    keyOf: (...args: unknown[]) => common.keyOf(args),
    peek: (...args: unknown[]) => common.peek(args),
    refresh(this: unknown, ...args: unknown[]) {
      // Called as a method, its `this` is the cached function, which no loader means.
      return refresh(this === cached ? undefined : this, args)
    },
    delete: (...args: unknown[]) => common.delete([args]),
    clear: common.clear,
    explain: (...args: unknown[]) => common.explain(args),
    prime: (args: readonly unknown[], value: unknown, options?: PrimeOptions) => common.prime([[args, value]], options),
    primeMany: common.prime,
  }
}
