import { parseDuration } from "../base/duration.js"
import { asHookError, InvalidOptionError } from "../base/errors.js"
import { isAbsent } from "../entries/table.js"
import { currentFrame } from "../loads/frame.js"
import { runOf } from "../loads/run.js"
import { checkNames, isStringArray } from "../options/checks.js"
import { type Position, takePosition } from "../tags/position.js"
import type { Token } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { assertNoThenable } from "../values/thenable.js"
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

/** The arguments of a call, and what it resolves to. */
export type Primed = readonly [args: readonly unknown[], value: unknown]

const PRIME_NAMES = new Set(["asOf"])

/**
 * Stores values as if a function's loader had returned them: with its `deps`, `depsOf`, `ttl`, isolation and `cacheIf`.
 * All of them go out in one append; of several for one call the last counts.
 *
 * @throws InvalidOptionError without `asOf` outside a load; what `deps` and `key` throw.
 */
export function primeAll(
  view: View,
  definition: FunctionDefinition,
  self: unknown,
  items: readonly Primed[],
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
  // Before the hooks: what they invalidate has changed the row since.
  const position = asOf === "now" ? takePosition(trie) : asOf
  const asked = listOfPairs(items, "[[[42], row]]").map(([args, value]) => {
    return itemOf(view, definition, { self, args, value, position })
  })
  return writer.setAll(asked, "prime")
}

/** Throws `InvalidOptionError` for what is no list of pairs. */
export function listOfPairs<Pair extends readonly unknown[]>(items: readonly Pair[], example: string): readonly Pair[] {
  if (Array.isArray(items) && items.every((item: unknown) => Array.isArray(item))) {
    return items as unknown as readonly Pair[]
  }
  throw new InvalidOptionError("items", items, `it must be an array of pairs, such as \`${example}\``)
}

interface Priming {
  readonly self: unknown
  readonly args: readonly unknown[]
  readonly value: unknown
  readonly position: Position | undefined
}

function itemOf(view: View, definition: FunctionDefinition, { self, args, value, position }: Priming): Item {
  if (!Array.isArray(args)) {
    throw new InvalidOptionError("args", args, "it must be an array of the arguments of the call, such as `[42]`")
  }
  const { table, scope, keyScope, behaviour, hooks } = definition
  // No hook is asked about what no loader could have returned.
  assertNoThenable(value)
  if (definition.batch !== undefined && value instanceof Error) {
    throw new InvalidOptionError("value", value, "an error is no value of an id: a loader that returns one rejects it")
  }
  const id = definition.idOfCall(self, args)
  const call = args as readonly unknown[]
  const declared = typeof hooks.deps === "function" ? hooks.deps.call(self, ...call) : (hooks.deps ?? [])
  if (!isStringArray(declared)) throw new InvalidOptionError("deps", declared, "it must return an array of tags")
  const base = { table, id, value, scope, keyScope, behaviour, asOf: position, sizeOf: hooks.sizeOf }
  // As after a load: where an id has no value there is nothing to ask the hooks about.
  if (isAbsent(value, table.intake)) return { ...base, deps: declared, ttlMs: undefined, isWanted: true }
  const asked = askHooks(view, definition, { self, args, value }, id)
  if (asked === undefined) return { ...base, deps: declared, ttlMs: undefined, isWanted: false }
  return { ...base, deps: [...declared, ...asked.deps], ttlMs: asked.ttlMs, isWanted: asked.isWanted }
}

/** The answers of the hooks that look at a value; undefined where one failed, which is told: then it is not kept. */
function askHooks(
  { core }: View,
  { table, scope, hooks }: FunctionDefinition,
  { self, args, value }: Omit<Priming, "position">,
  id: EntryId,
): Pick<Item, "deps" | "ttlMs" | "isWanted"> | undefined {
  let hook = "depsOf"
  try {
    const deps = hooks.depsOf?.call(self, value, ...args) ?? []
    if (!isStringArray(deps)) throw new InvalidOptionError("depsOf", deps, "it must return an array of tags")
    for (const tag of deps) scope.path(tag)
    hook = "cacheIf"
    const isWanted = hooks.cacheIf === undefined || hooks.cacheIf.call(self, value, ...args)
    hook = "ttl"
    const ttlMs = hooks.ttl === undefined ? undefined : parseDuration(hooks.ttl.call(self, value, ...args), "ttl")
    return { deps, ttlMs, isWanted }
  } catch (error) {
    const key = table.keyOf(id)
    core.outbox.fault(asHookError(hook, key, error), key)
    return undefined
  }
}
