import { parseDuration } from "../base/duration.js"
import { asHookError, InvalidOptionError } from "../base/errors.js"
import { isAbsent } from "../entries/table.js"
import { currentFrame } from "../loads/frame.js"
import { runOf } from "../loads/run.js"
import { checkNames, isStringArray } from "../options/checks.js"
import type { Position } from "../tags/position.js"
import type { Token } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import type { Item } from "../writes/prepare.js"
import type { FunctionDefinition, View } from "./definition.js"

/** How a value that was written elsewhere becomes the result of a cached function. */
export interface PrimeOptions {
  /**
   * A position in the order of changes from before the row was read or written: what was invalidated since makes the value
   * stale. `"now"` says in so many words that nothing can have changed the row since. Inside a load its start is meant
   * where this is left out.
   */
  asOf: Position | "now"
}

const PRIME_NAMES = new Set(["asOf"])

/**
 * Stores values as if a function's loader had returned them: with its `deps`, `depsOf`, `ttl`, isolation and `cacheIf`.
 * One append for all; of several for one call the last counts.
 *
 * @throws InvalidOptionError without `asOf` outside a load; what `deps` and `key` throw.
 */
export function primeAll(
  view: View,
  definition: FunctionDefinition,
  items: readonly (readonly [args: readonly unknown[], value: unknown])[],
  options: PrimeOptions | undefined,
): Promise<Token | undefined> {
  if (definition.obstacle !== undefined) throw definition.obstacle
  const { trie, writer } = view.core
  checkNames(options ?? {}, PRIME_NAMES, "prime")
  const asOf = options?.asOf
  if (asOf === undefined && runOf(currentFrame(), trie) === undefined) {
    throw new InvalidOptionError(
      "asOf",
      asOf,
      'a value that was read before an invalidation would be stored as fresh. Pass `cache.position()` from before the row was read or written, or "now" if nothing can have changed it since',
    )
  }
  return writer.setAll(listOfPairs(items).map(([args, value]) => itemOf(view, definition, args, value, asOf)))
}

/** Throws `InvalidOptionError` for what is no list of pairs. */
export function listOfPairs<Pair extends readonly unknown[]>(items: readonly Pair[]): readonly Pair[] {
  if (Array.isArray(items) && items.every((item: unknown) => Array.isArray(item))) {
    return items as unknown as readonly Pair[]
  }
  throw new InvalidOptionError("items", items, "it must be an array of pairs, such as `[[[42], row]]`")
}

function itemOf(
  view: View,
  definition: FunctionDefinition,
  args: readonly unknown[],
  value: unknown,
  asOf: PrimeOptions["asOf"] | undefined,
): Item {
  if (!Array.isArray(args)) {
    throw new InvalidOptionError("args", args, "it must be an array of the arguments of the call, such as `[42]`")
  }
  const { table, scope, keyScope, behaviour, hooks } = definition
  const id = definition.idOfCall(undefined, args)
  const call = args as readonly unknown[]
  const declared = typeof hooks.deps === "function" ? hooks.deps(...call) : (hooks.deps ?? [])
  if (!isStringArray(declared)) throw new InvalidOptionError("deps", declared, "it must return an array of tags")
  const base = { table, id, value, scope, keyScope, behaviour, asOf, sizeOf: hooks.sizeOf }
  const asked = askHooks(view, definition, args, value, id)
  if (asked === undefined) return { ...base, deps: declared, ttlMs: undefined, isWanted: false }
  return { ...base, deps: [...declared, ...asked.deps], ttlMs: asked.ttlMs, isWanted: asked.isWanted }
}

/** The answers of the hooks that look at a value; undefined where one failed, which is told: then it is not kept. */
function askHooks(
  { core }: View,
  { table, scope, hooks }: FunctionDefinition,
  args: readonly unknown[],
  value: unknown,
  id: EntryId,
): Pick<Item, "deps" | "ttlMs" | "isWanted"> | undefined {
  if (isAbsent(value, table.intake)) return { deps: [], ttlMs: undefined, isWanted: true }
  let hook = "depsOf"
  try {
    const deps = hooks.depsOf?.(value, ...args) ?? []
    if (!isStringArray(deps)) throw new InvalidOptionError("depsOf", deps, "it must return an array of tags")
    for (const tag of deps) scope.path(tag)
    hook = "cacheIf"
    const isWanted = hooks.cacheIf === undefined || hooks.cacheIf(value, ...args)
    hook = "ttl"
    const ttlMs = hooks.ttl === undefined ? undefined : parseDuration(hooks.ttl(value, ...args), "ttl")
    return { deps, ttlMs, isWanted }
  } catch (error) {
    const key = table.keyOf(id)
    core.outbox.fault(asHookError(hook, key, error), key)
    return undefined
  }
}
