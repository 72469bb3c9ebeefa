import { InvalidOptionError } from "../base/errors.js"
import { channels } from "../base/events.js"
import { isTimeFaked } from "../base/machine.js"
import type { Place } from "../base/place.js"
import { NEVER } from "../entries/age.js"
import { type Entry, promiseOf } from "../entries/table.js"
import { currentFrame, frames } from "../loads/frame.js"
import type { AnyFunction } from "../options/options.js"
import { checkNames } from "../options/checks.js"
import type { EntryId } from "../values/id.js"
import type { CallOptions } from "./cached.js"
import { define, type LooseOptions, nameAs, type View } from "./definition.js"
import { functionMethods } from "./methods.js"

/** A call of a cached function. Rejects, and never throws. */
export type Read = (self: unknown, args: readonly unknown[], isFresh: boolean, signal?: AbortSignal) => Promise<unknown>

/** Makes a cached function of a loader; throws `InvalidOptionError` and `DuplicateNameError`. */
export function makeCached(
  view: View,
  loader: AnyFunction,
  options: LooseOptions,
  place: Place | undefined,
): AnyFunction {
  const { core } = view
  const definition = define(view, loader, options, {
    form: "function",
    place,
    load: (self, args) => loader.apply(self, args as unknown[]) as unknown,
  })
  const read: Read = (self, args, isFresh, signal) => {
    try {
      if (definition.obstacle !== undefined) throw definition.obstacle
      const id = definition.idOfCall(self, args)
      return core.reader.read({ definition, id, self, args, frame: currentFrame(), signal, isFresh })
    } catch (error) {
      return Promise.reject(error)
    }
  }
  const hasPlainIds = options.key === undefined && definition.obstacle === undefined
  const { trie, turn } = core
  const { tier } = core.entries
  let { entries, counters } = definition.table
  definition.onMove = () => {
    ;({ entries, counters } = definition.table)
  }
  const hitChannel = channels.hit

  const theLongWay = function (this: unknown, ...args: unknown[]): Promise<unknown> {
    return read(this, args, false)
  }
  // The way of nearly every call: at most one plain argument, an entry that is fresh in this state of the log, not yet due for
  // a closer look, outside of every load and transaction, which would have to hear of it. Everything else goes the long way.
  const cached = function (this: unknown, argument: unknown): Promise<unknown> {
    const isPlainCall = hasPlainIds && arguments.length < 2 && isPlainId(argument)
    if (isPlainCall && (frames.active === 0 || currentFrame() === undefined)) {
      const entry: Entry | undefined = entries.get(argument)
      if (entry !== undefined) {
        if (--turn.left < 0 || isTimeFaked()) turn.read()
        if (
          (entry.stamp === trie.trusted || core.entries.isFreshNow(entry)) &&
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

  const methods = functionMethods(view, definition, cached, (self, args) => read(self, args, true))
  return nameAs(Object.assign(cached, methods, withCallOptions(read)), loader)
}

/** The method `with` of a function that reads in this way. */
export function withCallOptions(read: Read): { readonly with: (callOptions: CallOptions) => AnyFunction } {
  return {
    with(callOptions) {
      const { signal, fresh = false } = checkCallOptions(callOptions)
      return function (this: unknown, ...args: unknown[]) {
        return read(this, args, fresh, signal)
      }
    },
  }
}

const CALL_NAMES = new Set(["signal", "fresh"])

function checkCallOptions(options: CallOptions): CallOptions {
  if (typeof options !== "object" || options === null) {
    throw new InvalidOptionError("with", options, "it must be an object with `signal`, `fresh` or both")
  }
  checkNames(options, CALL_NAMES, "with")
  const { fresh } = options
  if (fresh !== undefined && typeof fresh !== "boolean") {
    throw new InvalidOptionError("fresh", fresh, "it must be true or false")
  }
  return { fresh, signal: checkSignal(options.signal) }
}

/** A signal of any realm or library, by what is called of it. Throws `InvalidOptionError`. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined
  const { aborted, addEventListener, removeEventListener } = (signal ?? {}) as Partial<AbortSignal>
  const isSignal =
    typeof aborted === "boolean" && typeof addEventListener === "function" && typeof removeEventListener === "function"
  if (!isSignal) throw new InvalidOptionError("signal", signal, "it must be an AbortSignal")
  return signal as AbortSignal
}

// The same ids that `idOf` would return as they are. The two must agree: a test runs both over every kind of argument.
export function isPlainId(value: unknown): value is EntryId {
  if (typeof value === "number") return value !== 0 || 1 / value > 0
  if (typeof value === "string") return value.length <= 128 && value.charCodeAt(0) !== 0
  return typeof value === "boolean" || value === null || value === undefined
}
