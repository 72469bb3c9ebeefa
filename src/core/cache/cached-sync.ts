import { LoadCycleError } from "../base/errors.js"
import type { Place } from "../base/place.js"
import { ancestorCycle } from "../loads/cycles.js"
import { currentFrame, isInTransaction } from "../loads/frame.js"
import type { AnyFunction } from "../options/options.js"
import { isolated } from "../reads/use.js"
import { beginVisit } from "../reads/visit.js"
import { isPlainId } from "./cached-function.js"
import { checkEntriesAtHand, define, type LooseOptions, nameAs, type View } from "./definition.js"
import { functionMethods } from "./methods.js"

/** Makes a cached function of a loader that returns its value rather than a promise. */
export function makeCachedSync(
  view: View,
  loader: AnyFunction,
  options: LooseOptions,
  place: Place | undefined,
): AnyFunction {
  const { core } = view
  checkEntriesAtHand(core)
  const definition = define(view, loader, options, {
    form: "sync",
    place,
    load: (self, args) => loader.apply(self, args as unknown[]) as unknown,
  })
  const { behaviour, idOfCall, obstacle } = definition
  const { reader, launcher } = core
  const read = (self: unknown, args: readonly unknown[], isFresh: boolean): unknown => {
    if (obstacle !== undefined) throw obstacle
    const id = idOfCall(self, args)
    if (reader.isBypassed) return definition.load(self, args, undefined)
    const { table } = definition
    const frame = currentFrame()
    const visit = beginVisit(table, id, frame)
    const expired = table.entries.get(id)
    if (!isFresh) {
      const found = reader.peekOrThrow(table, id, visit, behaviour.whenUnsure)
      if (found !== undefined) return found.value
    }
    const cycle = ancestorCycle(table, id, frame, core.running)
    if (cycle !== undefined) {
      visit.run?.obscure()
      throw new LoadCycleError(cycle)
    }
    const failures = expired?.rare?.failures ?? 0
    const isPrivate = table.isReplaced || isInTransaction(frame)
    const request = { definition, id, self, args, frame, isPrivate, isFresh, isBackground: false, failures }
    try {
      const value = launcher.runSync(request, visit.run)
      if (core.background.isWanted && core.shared !== undefined) {
        core.background.add(core.shared.writes.settled(table.keyOf(id)))
      }
      return isolated(value, behaviour.isolation)
    } catch (error) {
      const inGrace = isFresh ? undefined : reader.grace.after(definition, id, error, visit)
      if (inGrace === undefined) throw error
      return inGrace.value
    }
  }
  const hasPlainIds = options.key === undefined && obstacle === undefined
  const theLongWay = function (this: unknown, ...args: unknown[]): unknown {
    return read(this, args, false)
  }
  const cached = function (this: unknown, argument: unknown): unknown {
    if (hasPlainIds && arguments.length < 2 && isPlainId(argument)) {
      const entry = reader.looks.quickHit(definition.table, argument)
      if (entry !== undefined) return entry.value
    }
    // Passed on in this form, the arguments are never made into an object.
    // eslint-disable-next-line prefer-rest-params -- a rest parameter would cost every hit an array
    return theLongWay.apply(this, arguments as unknown as unknown[])
  }
  const methods = functionMethods(view, definition, cached, (self, args) => read(self, args, true))
  return nameAs(Object.assign(cached, methods), loader)
}
