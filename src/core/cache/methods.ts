import { currentFrame } from "../loads/frame.js"
import type { AnyFunction } from "../options/options.js"
import type { Token } from "../tags/version.js"
import { attempt, type FunctionDefinition, type View } from "./definition.js"
import { type Explanation, explain } from "./explain.js"
import { primeAll, type Primed, type PrimeOptions } from "./prime.js"

/**
 * Methods that all forms of cached functions have, by the `this` and the arguments of a call. Hooks get the `this`; it is
 * part of a key only where `key` makes it so.
 */
export interface CommonMethods {
  readonly keyOf: (self: unknown, args: readonly unknown[]) => string
  readonly peek: (self: unknown, args: readonly unknown[]) => unknown
  readonly delete: (self: unknown, calls: readonly (readonly unknown[])[]) => Promise<Token | undefined>
  readonly expire: (self: unknown, calls: readonly (readonly unknown[])[]) => Promise<Token | undefined>
  readonly clear: () => Promise<Token | undefined>
  readonly explain: (self: unknown, args: readonly unknown[]) => Explanation
  readonly prime: (
    self: unknown,
    items: readonly Primed[],
    options: PrimeOptions | undefined,
  ) => Promise<Token | undefined>
}

export function commonMethods(view: View, definition: FunctionDefinition): CommonMethods {
  const { core } = view
  const { behaviour, idOfCall } = definition
  const keysOf = (self: unknown, calls: readonly (readonly unknown[])[]) =>
    calls.map((args) => ({ table: definition.table, id: idOfCall(self, args) }))
  return {
    keyOf: (self, args) => definition.table.keyOf(idOfCall(self, args)),
    peek: (self, args) =>
      core.reader.peek(definition.table, idOfCall(self, args), currentFrame(), true, behaviour.whenUnsure)?.value,
    delete: (self, calls) => attempt(() => core.writer.deleteKeys(keysOf(self, calls))),
    expire: (self, calls) => attempt(() => core.writer.expireKeys(keysOf(self, calls), "expire")),
    clear: () => core.writer.clearFunction(definition.table),
    explain: (self, args) => explain(core, definition.table, idOfCall(self, args)),
    prime: (self, items, options) => attempt(() => primeAll(view, definition, self, items, options)),
  }
}

/**
 * The methods of a function that takes a list of arguments and may have a `this`, synchronous or not, as users call them.
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
  // Called as a method, its `this` is the cached function, which no loader or hook means.
  const selfOf = (self: unknown): unknown => (self === cached ? undefined : self)
  return {
    keyOf(this: unknown, ...args: unknown[]) {
      return common.keyOf(selfOf(this), args)
    },
    peek(this: unknown, ...args: unknown[]) {
      return common.peek(selfOf(this), args)
    },
    refresh(this: unknown, ...args: unknown[]) {
      return refresh(selfOf(this), args)
    },
    delete(this: unknown, ...args: unknown[]) {
      return common.delete(selfOf(this), [args])
    },
    expire(this: unknown, ...args: unknown[]) {
      return common.expire(selfOf(this), [args])
    },
    clear: common.clear,
    explain(this: unknown, ...args: unknown[]) {
      return common.explain(selfOf(this), args)
    },
    prime(this: unknown, args: readonly unknown[], value: unknown, options?: PrimeOptions) {
      return common.prime(selfOf(this), [[args, value]], options)
    },
    primeMany(this: unknown, items: readonly Primed[], options?: PrimeOptions) {
      return common.prime(selfOf(this), items, options)
    },
  }
}
