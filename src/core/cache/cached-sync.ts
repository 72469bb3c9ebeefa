import type { CachedSync } from "./cached.js"
import { attempt, define, nameAs, type Workshop } from "./cached-function.js"
import { currentFrame, runOf, transactionOf } from "../loads/frame.js"
import { ConfigurationError, LoadCycleError } from "../base/errors.js"
import { explain } from "./explain.js"
import type { Launcher } from "../loads/launcher.js"
import type { AnyFunction, FunctionOptions } from "../options/options.js"
import { ancestorCycle } from "../reads/reader.js"

/** Makes a cached function of a loader that returns its value rather than a promise. */
export function makeCachedSync<F extends AnyFunction>(
  workshop: Workshop,
  launcher: Launcher,
  loader: F,
  options: FunctionOptions<Parameters<F>, ReturnType<F>>,
): CachedSync<F> {
  const { engine, reader, writer } = workshop
  if (engine.shared?.isRemote === true) {
    throw new ConfigurationError(
      "`cacheableSync` needs entries that are at hand, in memory or in LMDB: a store behind a network has to be waited " +
        "for. Use `cacheable`, or a cache of its own for this function.",
    )
  }
  const { recipe, idOfCall, obstacle } = define(
    workshop,
    loader,
    options as unknown as FunctionOptions<readonly unknown[], unknown>,
    (self, args) => loader.apply(self, args as unknown[]),
  )
  const { table } = recipe
  const read = (self: unknown, args: readonly unknown[], isFresh: boolean): unknown => {
    if (obstacle !== undefined) throw obstacle
    const id = idOfCall(self, args)
    if (engine.isBypassed) return recipe.load(self, args, undefined)
    const frame = currentFrame()
    const run = runOf(frame, engine)
    const transaction = transactionOf(frame, engine)
    const expired = table.entries.get(id)
    if (!isFresh) {
      const found = reader.peekOrThrow(table, id, frame, recipe.behaviour.whenUnsure)
      if (found !== undefined) return found.value
    }
    const cycle = ancestorCycle(table, id, frame)
    if (cycle !== undefined) throw new LoadCycleError(cycle)
    const failures = expired?.rare?.failures ?? 0
    const isPrivate = transaction !== undefined || table.isReplaced
    try {
      return reader.isolated(
        launcher.runSync({ recipe, id, self, args, frame, isPrivate, isFresh, isBackground: false, failures }, run),
        recipe.behaviour.isolation,
      )
    } catch (error) {
      const inGrace = isFresh ? undefined : reader.graceAfter(recipe, id, error, frame)
      if (inGrace === undefined) throw error
      return inGrace.value
    }
  }
  const cached = function (this: unknown, ...args: unknown[]): unknown {
    return read(this, args, false)
  }
  const idOf = (args: readonly unknown[]) => idOfCall(undefined, args)
  const methods = {
    keyOf: (...args: unknown[]) => table.keyOf(idOf(args)),
    peek: (...args: unknown[]) =>
      reader.peek(table, idOf(args), currentFrame(), true, recipe.behaviour.whenUnsure)?.value,
    refresh: (...args: unknown[]) => read(undefined, args, true),
    delete: (...args: unknown[]) => attempt(() => writer.deleteIds(table, [idOf(args)])),
    clear: () => writer.clearFunction(table),
    explain: (...args: unknown[]) => explain(engine, table, idOf(args)),
  }
  return nameAs(Object.assign(cached, methods), loader) as unknown as CachedSync<F>
}
