import { InvalidOptionError } from "../base/errors.js"
import type { Place } from "../base/place.js"
import { currentFrame } from "../loads/frame.js"
import { BatchOutcomes, type Outcome } from "../loads/outcome.js"
import type { AnyFunction } from "../options/options.js"
import { checkObject, positiveInteger } from "../options/checks.js"
import { isThenable, thenableError } from "../values/thenable.js"
import type { Fetched } from "../reads/call.js"
import type { CachedMany, ManyLoader, ManyOptions } from "./cached.js"
import {
  attempt,
  define,
  type FunctionDefinition,
  type LooseOptions,
  nameAs,
  refuseRevalidate,
  type View,
} from "./definition.js"
import { commonMethods } from "./methods.js"
import { listOfPairs, type PrimeOptions } from "./prime.js"

/** Makes a function that caches per id and loads in batches. */
export function makeCachedMany<Id, Value>(
  view: View,
  loader: ManyLoader<Id, Value>,
  options: ManyOptions<Id, Value>,
  place: Place | undefined,
): CachedMany<Id, Value> {
  checkObject(options, "cacheable")
  const { maxBatch, ...rest } = options
  refuseRevalidate(rest as LooseOptions, "`cacheableMany`")
  const load = async (ids: readonly Id[]) => outcomesOf(ids, await loader(ids))
  const definition = define(view, loader as AnyFunction, rest as unknown as LooseOptions, {
    form: "many",
    place,
    batch: { max: checkMaxBatch(maxBatch), load: (calls) => load(calls.map(([id]) => id as Id)) },
    // On its own, inside a transaction: nobody may share what it sees.
    load: async (_self, args) => {
      const [outcome] = (await load([args[0] as Id])).outcomes as [Outcome]
      if (outcome.isError) throw outcome.value
      return outcome.value
    },
  })
  const read = readerOf(view, definition)
  const common = commonMethods(view, definition)
  const cached = async (ids: readonly Id[]): Promise<Map<Id, Value>> => {
    if (!Array.isArray(ids)) {
      throw new InvalidOptionError("ids", ids, "it must be an array of ids; use `.one(id)` for a single one")
    }
    const unique = [...new Set(ids as readonly Id[])]
    const fetching = fetchAll(view, definition, unique)
    const fetched = fetching === undefined ? undefined : await fetching
    const values = await Promise.all(unique.map((id) => attempt(() => read(id, false, fetched?.get(id)))))
    const found = new Map<Id, Value>()
    unique.forEach((id, index) => {
      if (values[index] !== undefined) found.set(id, values[index] as Value)
    })
    return found
  }
  const many: CachedMany<Id, Value> = Object.assign(cached, {
    one: (id: Id) => attempt(() => read(id, false)) as Promise<Value | undefined>,
    keyOf: (id: Id) => common.keyOf(undefined, [id]),
    peek: (id: Id) => common.peek(undefined, [id]) as Value | undefined,
    refresh: (id: Id) => attempt(() => read(id, true)) as Promise<Value | undefined>,
    delete: (...ids: readonly Id[]) =>
      common.delete(
        undefined,
        ids.map((id) => [id]),
      ),
    expire: (...ids: readonly Id[]) =>
      common.expire(
        undefined,
        ids.map((id) => [id]),
      ),
    clear: common.clear,
    explain: (id: Id) => common.explain(undefined, [id]),
    prime: (id: Id, value: Value, primeOptions: PrimeOptions) => common.prime(undefined, [[[id], value]], primeOptions),
    primeMany: (items: readonly (readonly [id: Id, value: Value])[], primeOptions: PrimeOptions) =>
      attempt(() =>
        common.prime(
          undefined,
          listOfPairs(items, "[[42, row]]").map(([id, value]) => [[id], value]),
          primeOptions,
        ),
      ),
  })
  return nameAs(many, loader as AnyFunction)
}

function readerOf({ core }: View, definition: FunctionDefinition) {
  return (id: unknown, isFresh: boolean, fetched?: Fetched): Promise<unknown> => {
    if (definition.obstacle !== undefined) return Promise.reject(definition.obstacle)
    const args = [id]
    return core.reader.read({
      definition,
      id: definition.idOfCall(undefined, args),
      self: undefined,
      args,
      frame: currentFrame(),
      signal: undefined,
      isFresh,
      ...(fetched === undefined ? {} : { fetched }),
    })
  }
}

/** From a store behind a network all ids come together, so that those that are missing there make one batch. */
function fetchAll<Id>(
  { core }: View,
  definition: FunctionDefinition,
  ids: readonly Id[],
): Promise<Map<Id, Fetched>> | undefined {
  if (core.shared?.isRemote !== true || definition.obstacle !== undefined) return undefined
  return core.reader.fetchMany(definition, new Map(ids.map((id) => [id, definition.idOfCall(undefined, [id])])))
}

/** Checks the option and completes it; throws `InvalidOptionError`. */
export function checkMaxBatch(maxBatch: unknown): number {
  if (maxBatch === undefined) return Number.POSITIVE_INFINITY
  return positiveInteger(maxBatch, "maxBatch")
}

/** The outcome of each id, from what a loader answered with. */
function outcomesOf<Id>(ids: readonly Id[], answer: unknown): BatchOutcomes {
  if (answer instanceof Map) {
    const map = answer as ReadonlyMap<Id, unknown>
    return new BatchOutcomes(ids.map((id) => outcomeOf(map.get(id))))
  }
  if (!Array.isArray(answer)) {
    throw new InvalidOptionError("loader", answer, "the loader of `cacheableMany` must return a Map or an array")
  }
  if (answer.length !== ids.length) {
    throw new InvalidOptionError(
      "loader",
      answer,
      `an array must have one item per id, in their order: ${ids.length}, not ${answer.length}; return a Map if some may be missing`,
    )
  }
  return new BatchOutcomes(answer.map((item: unknown) => outcomeOf(item)))
}

function outcomeOf(item: unknown): Outcome {
  if (isThenable(item)) return { isError: true, value: thenableError(item) }
  if (item instanceof Error) return { isError: true, value: item }
  return { isError: false, value: item, isAbsent: item === undefined }
}
