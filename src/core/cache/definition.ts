import { ConfigurationError, InvalidOptionError, MissingNameError, show } from "../base/errors.js"
import type { Place } from "../base/place.js"
import type { Intake, Table } from "../entries/table.js"
import type { Definition, Hooks } from "../loads/definition.js"
import { revalidating } from "../loads/revalidate.js"
import type { AnyFunction, FunctionOptions } from "../options/options.js"
import { checkName } from "../options/checks.js"
import { type Behaviour, normalizeFunctionBehaviour } from "../options/settings.js"
import type { Scope } from "../tags/scope.js"
import { customId } from "../values/custom-id.js"
import { type EntryId, idOf } from "../values/id.js"
import { synchronous } from "../values/thenable.js"
import { claimName, type Form, noteCopy, type Sharing } from "./names.js"
import type { OpenCache } from "./open.js"

/** A view of a cache: all of it, or a scope. */
export interface View {
  readonly core: OpenCache
  readonly scope: Scope
}

/** A cached function, with everything that has been decided about it. */
export interface FunctionDefinition extends Omit<Definition, "table">, Sharing {
  readonly idOfCall: (self: unknown, args: readonly unknown[]) => EntryId
  /** Why calls must be rejected; undefined if all is well. */
  readonly obstacle: MissingNameError | undefined
}

/** Options of a function, without their argument types. */
export type LooseOptions = FunctionOptions<readonly unknown[], unknown>

/** The parts of a definition that differ between forms of cached functions. `idOfCall`: in place of what `key` says. */
export type Loading = Pick<Definition, "load" | "batch"> &
  Partial<Pick<FunctionDefinition, "idOfCall">> & {
    readonly form: Form
    /** The place of the definition in the user's source. */
    readonly place: Place | undefined
  }

/**
 * Defines a cached function: checks its options, claims its name, and decides about its ids and hooks.
 *
 * @throws InvalidOptionError, DuplicateNameError
 */
export function define(view: View, loader: AnyFunction, options: LooseOptions, loading: Loading): FunctionDefinition {
  if (typeof loader !== "function") {
    throw new InvalidOptionError("loader", loader, "the first argument must be the function whose results are kept")
  }
  const { core, scope } = view
  const behaviour = normalizeFunctionBehaviour(options, core.settings.behaviour)
  core.checkLease(behaviour)
  if (behaviour.isSecret) core.trie.hasSecrets = true
  const obstacle =
    options.name === undefined && !core.client.isLocal
      ? new MissingNameError(
          `A cached function (${show(loader)}) has no \`name\`, but this cache shares its log with other processes, which could not tell which function is meant. Pass \`{ name: "..." }\`.`,
        )
      : undefined
  const hooks = hooksOf(options)
  const table = claimTable(view, loader, options, loading)
  if (typeof options.deps === "object") for (const tag of options.deps) scope.announce(tag)
  const hasAbsences = loading.batch !== undefined
  table.intake =
    options.name === undefined
      ? weakIntake(behaviour, hooks, hasAbsences)
      : { behaviour, sizeOf: hooks.sizeOf, validate: hooks.validate, hasAbsences }
  const definition: FunctionDefinition = {
    table,
    scope,
    keyScope: scope,
    behaviour,
    hooks,
    load: options.revalidate === undefined ? loading.load : revalidating(loading.load, options.revalidate, core),
    batch: loading.batch,
    idOfCall:
      loading.idOfCall ??
      idOfCall(options.key, loader.length > 1 ? undefined : (args) => core.hints.mapped(table, args)),
    obstacle,
    onMove: undefined,
  }
  if (options.name === undefined) dropWhenUnreachable(definition, core)
  else noteCopy(definition, loading)
  return definition
}

/** The id of a call: of its arguments, or of what the hook `key` makes of them. */
function idOfCall(
  key: LooseOptions["key"],
  look: ((args: readonly unknown[]) => void) | undefined,
): FunctionDefinition["idOfCall"] {
  if (key === undefined) {
    if (look === undefined) return (_self, args) => idOf(args)
    return (_self, args) => {
      // An index and an array from `map`, most likely.
      if (args.length === 3) look(args)
      return idOf(args)
    }
  }
  return (self, args) => customId(key.apply(self, args as unknown[]))
}

/** The hooks of a function, each of which has to answer at once: a promise is an error that says so. */
export function hooksOf(options: LooseOptions): Hooks {
  const { deps, depsOf, ttl, cacheIf, cacheErrors, sizeOf, validate } = options
  return {
    deps: typeof deps === "function" ? synchronous("deps", deps) : deps,
    depsOf: depsOf && synchronous("depsOf", depsOf),
    ttl: typeof ttl === "function" ? synchronous("ttl", ttl) : undefined,
    cacheIf: cacheIf && synchronous("cacheIf", cacheIf),
    cacheErrors: typeof cacheErrors === "function" ? synchronous("cacheErrors", cacheErrors) : cacheErrors,
    sizeOf: sizeOf && synchronous("sizeOf", sizeOf),
    validate: validate && synchronous("validate", validate),
  }
}

/** Options of a single `getOrLoad`: those of a function, without what its loader would be asked. */
export type LoadOptions<T> = Omit<FunctionOptions<[], T>, "name" | "version" | "key" | "revalidate"> & {
  signal?: AbortSignal | undefined
}

/** The part of a call of `getOrLoad` that its options decide. Throws `InvalidOptionError`. */
export function inlineDefinition<T>({ core }: View, options: LoadOptions<T>): Pick<Definition, "behaviour" | "hooks"> {
  const { signal: _signal, ...given } = options
  const rest = given as LooseOptions
  for (const name of ["name", "version", "key"] as const) {
    const value: unknown = rest[name]
    if (value === undefined) continue
    throw new InvalidOptionError(name, value, "the key of `getOrLoad` says which entry is meant")
  }
  refuseRevalidate(rest, "`getOrLoad`")
  const behaviour = normalizeFunctionBehaviour(rest, core.settings.behaviour)
  core.checkLease(behaviour)
  if (behaviour.isSecret) core.trie.hasSecrets = true
  return { behaviour, hooks: hooksOf(rest) }
}

/** Throws `InvalidOptionError` where there is no single value of a function to ask the source about. */
export function refuseRevalidate({ revalidate }: LooseOptions, of: string): void {
  if (revalidate === undefined) return
  throw new InvalidOptionError("revalidate", revalidate, `${of} has no such option: it is one of \`cacheable\``)
}

/** Gives a cached function the name and the number of parameters of its loader. */
export function nameAs<T extends object>(cached: T, loader: AnyFunction): T {
  Object.defineProperty(cached, "name", { value: loader.name, configurable: true })
  Object.defineProperty(cached, "length", { value: loader.length, configurable: true })
  return cached
}

/** Runs something that may throw at once on behalf of a function that returns a promise. */
export function attempt<T>(run: () => Promise<T>): Promise<T> {
  try {
    return run()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Synchronous functions need entries at hand. Throws `ConfigurationError`. */
export function checkEntriesAtHand({ shared }: OpenCache): void {
  if (shared?.isRemote !== true) return
  throw new ConfigurationError(
    "`cacheableSync` needs entries that are at hand, in memory or in LMDB: a store behind a network has to be waited " +
      "for. Use `cacheable`, or a cache of its own for this function.",
  )
}

function claimTable({ core, scope }: View, loader: AnyFunction, options: LooseOptions, loading: Loading): Table {
  const { name, version } = options
  if (name === undefined) {
    const base = loader.name === "" ? "anonymous" : loader.name
    const inScope = (plain: string) => scope.functionName(plain)
    return core.tables.addUnnamed(base, version, inScope)
  }
  checkName(name)
  const { form, place } = loading
  return claimName(core, { name, whole: scope.functionName(name), version, form, place })
}

/**
 * Functions without a name that nobody holds any more give up their table, so that one can be made per request. Named ones
 * stay: their name is known to other processes, and to who defines them again.
 */
function dropWhenUnreachable(definition: FunctionDefinition, core: OpenCache): void {
  let registry = registries.get(core)
  if (registry === undefined) {
    // The callback holds its cache, and the cache its registry: they go together.
    registry = new FinalizationRegistry<Table>((table) => {
      core.entries.removeAll(table)
      core.tables.drop(table)
    })
    registries.set(core, registry)
  }
  registry.register(definition, definition.table)
}

/** A hook may hold its cached function, and the table must not: only the function holds the hooks. */
function weakIntake(behaviour: Behaviour, hooks: Hooks, hasAbsences: boolean): Intake {
  const held = new WeakRef(hooks)
  return {
    behaviour,
    hasAbsences,
    get sizeOf() {
      return held.deref()?.sizeOf
    },
    get validate() {
      return held.deref()?.validate
    },
  }
}

const registries = new WeakMap<OpenCache, FinalizationRegistry<Table>>()
