import type { CallOptions, Cached, CachedMethods } from "./cached.js"
import { NEVER } from "../entries/age.js"
import { activeFrames, currentFrame } from "../loads/frame.js"
import type { Engine } from "./engine.js"
import { type Entry, promiseOf } from "../entries/entry.js"
import { DuplicateNameError, MissingNameError, show, InvalidOptionError } from "../base/errors.js"
import { channels } from "../base/events.js"
import { explain } from "./explain.js"
import { type EntryId, idOf } from "../values/id.js"
import type { AnyFunction, FunctionOptions } from "../options/options.js"
import { checkName, normalizeFunctionBehaviour } from "../options/settings.js"
import type { Reader } from "../reads/reader.js"
import type { Hooks, Recipe } from "../loads/recipe.js"
import type { Scope } from "../tags/scope.js"
import type { Table } from "../entries/table.js"
import type { Writer } from "../writes/writer.js"

/** What the functions of one view of a cache are made with. */
export interface Workshop {
  readonly engine: Engine
  readonly reader: Reader
  readonly writer: Writer
  readonly scope: Scope
}

/** A loader with everything that has been decided about it. */
export interface Definition {
  readonly recipe: Recipe
  readonly idOfCall: (self: unknown, args: readonly unknown[]) => EntryId
  /** Why calls must be rejected; undefined if all is well. */
  readonly obstacle: MissingNameError | undefined
}

type LooseOptions = FunctionOptions<readonly unknown[], unknown>

/** Makes a cached function of a loader; throws `InvalidOptionError` and `DuplicateNameError`. */
export function makeCached<F extends AnyFunction>(
  workshop: Workshop,
  loader: F,
  options: FunctionOptions<Parameters<F>, Awaited<ReturnType<F>>>,
): Cached<F> {
  const definition = define(workshop, loader, options as unknown as LooseOptions, (self, args) =>
    loader.apply(self, args as unknown[]),
  )
  const { engine, reader } = workshop
  const { recipe } = definition
  const read = (self: unknown, args: readonly unknown[], isFresh: boolean, signal?: AbortSignal): Promise<unknown> => {
    try {
      if (definition.obstacle !== undefined) throw definition.obstacle
      const id = definition.idOfCall(self, args)
      return reader.read({ recipe, id, self, args, frame: currentFrame(), signal, isFresh })
    } catch (error) {
      return Promise.reject(error)
    }
  }
  const hasPlainIds = (options as LooseOptions).key === undefined && definition.obstacle === undefined
  const { trie, turn, tier } = engine
  const { entries, counters } = recipe.table
  const hitChannel = channels.hit

  const theLongWay = function (this: unknown, ...args: unknown[]): Promise<unknown> {
    return read(this, args, false)
  }
  // The way of nearly every call: at most one plain argument, an entry found fresh in this state of the log, not yet due for a
  // closer look, outside of every load and transaction, which would have to hear of it. Everything else goes the long way.
  const cached = function (this: unknown, argument: unknown): Promise<unknown> {
    const isPlainCall = hasPlainIds && arguments.length < 2 && isPlainId(argument)
    if (isPlainCall && (activeFrames === 0 || currentFrame() === undefined)) {
      const entry: Entry | undefined = entries.get(argument)
      if (entry !== undefined) {
        if (--turn.left < 0) turn.read()
        if (
          entry.stamp === trie.trusted &&
          (turn.now < entry.deadlineMs || entry.deadlineMs === NEVER) &&
          !hitChannel.hasSubscribers
        ) {
          counters.hits += 1
          // An entry is only ever found where there is a tier.
          ;(tier as NonNullable<typeof tier>).touch(entry)
          return entry.promise ?? promiseOf(entry)
        }
      }
    }
    // Passed on in this form, the arguments are never made into an object.
    // eslint-disable-next-line prefer-rest-params -- a rest parameter would cost every hit an array
    return theLongWay.apply(this, arguments as unknown as unknown[])
  }

  const idOfArgs = (args: readonly unknown[]) => definition.idOfCall(undefined, args)
  const methods: CachedMethods<AnyFunction> = {
    keyOf: (...args) => recipe.table.keyOf(idOfArgs(args)),
    peek: (...args) =>
      reader.peek(recipe.table, idOfArgs(args), currentFrame(), true, recipe.behaviour.whenUnsure)?.value,
    refresh: (...args) => read(undefined, args, true),
    delete: (...args) => attempt(() => workshop.writer.deleteIds(recipe.table, [idOfArgs(args)])),
    clear: () => workshop.writer.clearFunction(recipe.table),
    explain: (...args) => explain(engine, recipe.table, idOfArgs(args)),
    with: (callOptions) => {
      const { signal, fresh = false } = checkCallOptions(callOptions)
      return function (this: unknown, ...args: unknown[]) {
        return read(this, args, fresh, signal)
      }
    },
  }
  return nameAs(Object.assign(cached, methods), loader) as unknown as Cached<F>
}

/** What is common to all forms of cached functions: names, ids, hooks. */
export function define(
  workshop: Workshop,
  loader: AnyFunction,
  options: LooseOptions,
  load: Recipe["load"],
  also?: readonly string[],
): Definition {
  if (typeof loader !== "function") {
    throw new InvalidOptionError("loader", loader, "the first argument must be the function whose results are kept")
  }
  const { engine, scope } = workshop
  const behaviour = normalizeFunctionBehaviour(options, engine.settings.behaviour, also)
  engine.checkLease(behaviour)
  const obstacle =
    options.name === undefined && !engine.client.isLocal
      ? new MissingNameError(
          `A cached function (${show(loader)}) has no \`name\`, but this cache shares its log with other processes, which could not tell which function is meant. Pass \`{ name: "..." }\`.`,
        )
      : undefined
  const hooks = hooksOf(options)
  const table = claimTable(workshop, loader, options)
  table.intake = { behaviour, sizeOf: hooks.sizeOf, validate: hooks.validate }
  const recipe: Recipe = { table, scope, behaviour, hooks, load }
  const { key } = options
  const idOfCall =
    key === undefined
      ? (_self: unknown, args: readonly unknown[]) => idOf(args)
      : (self: unknown, args: readonly unknown[]) => idOf([key.apply(self, args as unknown[])])
  return { recipe, idOfCall, obstacle }
}

export function hooksOf(options: LooseOptions): Hooks {
  return {
    deps: options.deps,
    depsOf: options.depsOf,
    ttl: typeof options.ttl === "function" ? options.ttl : undefined,
    cacheIf: options.cacheIf,
    cacheErrors: options.cacheErrors,
    sizeOf: options.sizeOf,
    validate: options.validate,
  }
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

function claimTable({ engine, scope }: Workshop, loader: AnyFunction, options: LooseOptions): Table {
  const { name, version } = options
  if (name !== undefined) {
    checkName(name)
    const whole = scope.functionName(name)
    const taken = engine.tableOf(whole, version)
    if (taken !== undefined) {
      if (!engine.settings.redefine) throw new DuplicateNameError(name)
      engine.dropTable(taken)
    }
    return engine.addTable(whole, version)
  }
  const base = loader.name === "" ? "anonymous" : loader.name
  const family = `${scope.functionName(base)} ${version ?? ""}`
  let unique = base
  while (engine.tableOf(scope.functionName(unique), version) !== undefined) {
    const number = (engine.lastNumbers.get(family) ?? 1) + 1
    engine.lastNumbers.set(family, number)
    unique = `${base}#${number}`
  }
  return engine.addTable(scope.functionName(unique), version)
}

function checkCallOptions(options: CallOptions): CallOptions {
  if (typeof options !== "object" || options === null) {
    throw new InvalidOptionError("with", options, "it must be an object with `signal`, `fresh` or both")
  }
  for (const name of Object.keys(options)) {
    if (name !== "signal" && name !== "fresh") {
      throw new InvalidOptionError(
        name,
        (options as Record<string, unknown>)[name],
        "`with` knows `signal` and `fresh`",
      )
    }
  }
  return options
}

// What `idOf` would return as it is. The two must agree: a test runs both over every kind of argument.
function isPlainId(value: unknown): value is EntryId {
  if (typeof value === "number") return value !== 0 || 1 / value > 0
  if (typeof value === "string") return value.length <= 128 && value.charCodeAt(0) !== 0
  return typeof value === "boolean" || value === null || value === undefined
}
