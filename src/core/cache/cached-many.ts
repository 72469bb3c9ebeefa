import type { CachedMany, ManyLoader, ManyOptions } from "./cached.js"
import { attempt, define, nameAs, type Workshop } from "./cached-function.js"
import { currentFrame } from "../loads/frame.js"
import { InvalidOptionError } from "../base/errors.js"
import { explain } from "./explain.js"
import type { Flight } from "../loads/flight.js"
import type { Launcher } from "../loads/launcher.js"
import { BatchOutcomes, needsSlot, type Order, type Outcome } from "../loads/request.js"
import type { FunctionOptions } from "../options/options.js"
import type { Fetched } from "../reads/reader.js"
import { checkObject, positiveInteger } from "../options/settings.js"

type LooseOptions = FunctionOptions<readonly unknown[], unknown>

/** What is asked for within one tick. */
class Batch {
  readonly flights: Flight[] = []
  readonly orders: Order[] = []
  /** A load with a slot waits for one of these: the batch must not wait for another slot. */
  isNested = false
}

/** Makes a function that caches per id and loads in batches. */
export function makeCachedMany<Id, Value>(
  workshop: Workshop,
  launcher: Launcher,
  loader: ManyLoader<Id, Value>,
  options: ManyOptions<Id, Value>,
): CachedMany<Id, Value> {
  const { engine, reader, writer } = workshop
  checkObject(options, "cacheable")
  const { maxBatch: _maxBatch, ...rest } = options
  const maxBatch = checkMaxBatch(options.maxBatch)
  const definition = define(workshop, loader, rest as unknown as LooseOptions, async (_self, args) => {
    // On its own, inside a transaction: nobody may share what it sees.
    const { outcomes } = outcomesOf([args[0] as Id], await loader([args[0] as Id]))
    const [outcome] = outcomes as [Outcome]
    if (outcome.isError) throw outcome.value
    return outcome.value
  })
  const { table } = definition.recipe
  let gathering: Batch | undefined

  const dispatch = (): void => {
    const batch = gathering
    gathering = undefined
    if (batch === undefined) return
    const live: number[] = []
    batch.flights.forEach((flight, index) => {
      const isWanted = flight.waiters > 0 || (flight.late?.waiters ?? 0) > 0
      // Another node's value may have come meanwhile.
      if (isWanted && !flight.isLanded) live.push(index)
    })
    for (let start = 0; start < live.length; start += maxBatch) {
      const part = live.slice(start, start + maxBatch)
      const flights = part.map((index) => batch.flights[index] as Flight)
      // A batch belongs to none of its callers: it runs in the context of no request.
      const orders = part.map((index) => ({ ...(batch.orders[index] as Order), frame: undefined, isBackground: true }))
      const needs = !batch.isNested && part.every((index) => needsSlot(batch.orders[index] as Order, engine))
      launcher.enqueue(flights, orders, needs, async (begun) => {
        const ids = begun.map((order) => order.args[0] as Id)
        return outcomesOf(ids, await loader(ids))
      })
    }
  }

  const recipe = {
    ...definition.recipe,
    gather: (flight: Flight, order: Order) => {
      if (gathering === undefined) {
        gathering = new Batch()
        engine.clock.onTurnEnd(dispatch)
      }
      const batch = gathering
      batch.flights.push(flight)
      batch.orders.push(order)
      flight.beginNow = () => {
        batch.isNested = true
      }
    },
  }

  const read = (id: Id, isFresh: boolean, fetched?: Fetched): Promise<unknown> => {
    if (definition.obstacle !== undefined) return Promise.reject(definition.obstacle)
    const args = [id]
    return reader.read({
      recipe,
      id: definition.idOfCall(undefined, args),
      self: undefined,
      args,
      frame: currentFrame(),
      signal: undefined,
      isFresh,
      ...(fetched === undefined ? {} : { fetched }),
    })
  }

  const idOf = (id: Id) => definition.idOfCall(undefined, [id])
  const cached = async (ids: readonly Id[]): Promise<Map<Id, Value>> => {
    if (!Array.isArray(ids))
      throw new InvalidOptionError("ids", ids, "it must be an array of ids; use `.one(id)` for a single one")
    const unique = [...new Set(ids as readonly Id[])]
    // From a store behind a network all come together, so that what is missing there makes one batch.
    const isFetched = engine.shared?.isRemote === true && definition.obstacle === undefined
    const fetched = isFetched ? await reader.fetchMany(recipe, new Map(unique.map((id) => [id, idOf(id)]))) : undefined
    const values = await Promise.all(unique.map((id) => attempt(() => read(id, false, fetched?.get(id)))))
    const found = new Map<Id, Value>()
    unique.forEach((id, index) => {
      if (values[index] !== undefined) found.set(id, values[index] as Value)
    })
    return found
  }
  const many: CachedMany<Id, Value> = Object.assign(cached, {
    one: (id: Id) => attempt(() => read(id, false)) as Promise<Value | undefined>,
    keyOf: (id: Id) => table.keyOf(idOf(id)),
    peek: (id: Id) =>
      reader.peek(table, idOf(id), currentFrame(), true, recipe.behaviour.whenUnsure)?.value as Value | undefined,
    refresh: (id: Id) => attempt(() => read(id, true)) as Promise<Value | undefined>,
    delete: (...ids: readonly Id[]) => attempt(() => writer.deleteIds(table, ids.map(idOf))),
    clear: () => writer.clearFunction(table),
    explain: (id: Id) => explain(engine, table, idOf(id)),
  })
  return nameAs(many, loader)
}

/** Checks the option and completes it; throws `InvalidOptionError`. */
export function checkMaxBatch(maxBatch: unknown): number {
  if (maxBatch === undefined) return Number.POSITIVE_INFINITY
  return positiveInteger(maxBatch, "maxBatch")
}

/** One outcome per id of what a loader answered with. */
function outcomesOf<Id, Value>(ids: readonly Id[], answer: unknown): BatchOutcomes {
  if (answer instanceof Map) {
    const map = answer as ReadonlyMap<Id, Value>
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
  if (item instanceof Error) return { isError: true, value: item }
  return { isError: false, value: item, isAbsent: item === undefined }
}
