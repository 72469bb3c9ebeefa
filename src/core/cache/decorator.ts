import { InvalidOptionError } from "../base/errors.js"
import type { Place } from "../base/place.js"
import { oncePerProcess } from "../base/process-wide.js"
import { currentFrame } from "../loads/frame.js"
import type { AnyFunction, FunctionOptions } from "../options/options.js"
import { identityOf } from "../values/custom-id.js"
import { type EntryId, idOf } from "../values/id.js"
import type { ReturnsPromise } from "./cached.js"
import { type Read, withCallOptions } from "./cached-function.js"
import { boundTo, offerOnInstance, ON_INSTANCE } from "./cached-method.js"
import { copyMetadata } from "./copy-metadata.js"
import { attempt, define, type View } from "./definition.js"
import { functionMethods } from "./methods.js"

/** Options of a decorated method. */
// a decorator's options come before its method, so their parameters are only known where the user writes them
export interface MethodOptions<
  Args extends readonly unknown[] = any[],
  Value = any,
  This = any,
> extends FunctionOptions<Args, Value> {
  /**
   * The part of a key that tells one instance from another. Default in memory: the instance itself, so that two never
   * share an entry. Needed with a shared log, where the instance of another process can't be recognized.
   */
  keyThis?: ((self: This) => unknown) | undefined
}

/**
 * Works as a standard (TC39) and as a legacy decorator (`experimentalDecorators`) of a method that returns a promise. No
 * decorator can change the type of its method, so others do not compile.
 */
export interface CacheableDecorator<Args extends readonly unknown[], This> {
  <Self extends This, Method extends (this: Self, ...args: Args) => Promise<unknown>>(
    method: Method,
    context: ClassMethodDecoratorContext<Self, Method>,
  ): Decorated<Method>
  <Method extends (...args: Args) => Promise<unknown>>(
    target: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<Method>,
  ): TypedPropertyDescriptor<Decorated<Method>>
}

/** A method as it was, since a decorator can't say that it is another now: text where it would be. */
type Decorated<Method> =
  ReturnsPromise<Method> extends true
    ? Method
    : "The method must return a Promise, of no subclass; await the query in it."

// The number by which an instance is known in keys, whichever copy of this library asks. Held weakly: a key must not keep
// its instance alive.
const instances = oncePerProcess("instances", 1, () => ({ numbers: new WeakMap<object, number>(), last: 0 }))

/** Wraps a method so that its results are cached per instance and arguments. */
export function cacheMethod(
  view: View,
  method: AnyFunction,
  name: string,
  options: MethodOptions,
  place: Place | undefined,
): AnyFunction {
  const { keyThis, ...rest } = options
  if (keyThis !== undefined && typeof keyThis !== "function") {
    throw new InvalidOptionError("keyThis", keyThis, "it must be a function of the instance")
  }
  const { core } = view
  const { key } = rest
  const isShared = !core.client.isLocal
  const idOfCall = (self: unknown, args: readonly unknown[]): EntryId => {
    if (isShared && keyThis === undefined) {
      throw new InvalidOptionError(
        "keyThis",
        undefined,
        `the method ${name} is cached where other processes share the log: pass \`keyThis: (self) => ...\` with what identifies its instance`,
      )
    }
    const owner = keyThis === undefined ? numberOf(self) : identityOf("keyThis", keyThis(self))
    const rests = key === undefined ? args : [identityOf("key", key.apply(self, args as unknown[]))]
    return idOf([owner, ...rests])
  }
  const named = Object.defineProperty(() => {}, "name", { value: name })
  const definition = define(view, named, rest, {
    form: "method",
    place,
    load: (self, args) => method.apply(self, args as unknown[]) as unknown,
    idOfCall,
  })
  const { table, obstacle } = definition
  const read: Read = (self, args, isFresh, signal) =>
    attempt(() => {
      if (obstacle !== undefined) throw obstacle
      const id = idOfCall(self, args)
      return core.reader.read({ definition, id, self, args, frame: currentFrame(), signal, isFresh })
    })
  const looksAtCalls = key === undefined && method.length <= 1
  const cached = function (this: unknown, ...args: unknown[]) {
    if (looksAtCalls) core.hints.mapped(table, args)
    return read(this, args, false)
  }
  const methods = {
    ...functionMethods(view, definition, cached, (self, args) => read(self, args, true)),
    ...withCallOptions(read),
  }
  return offerOnInstance(cached, (self) => boundTo(self, cached, methods as Record<string, AnyFunction>, method))
}

/** The decorator of both kinds; `wrap` makes the cached method. */
export function decoratorOf<Args extends readonly unknown[], This>(
  wrap: (method: AnyFunction, name: string) => AnyFunction,
): CacheableDecorator<Args, This> {
  const inPlaceOf = (method: AnyFunction, name: string): AnyFunction => {
    const cached = wrap(method, name)
    copyMetadata(method, cached, [ON_INSTANCE])
    return cached
  }
  const decorate = (target: unknown, context: unknown, descriptor?: PropertyDescriptor): unknown => {
    if (isStandardContext(context)) {
      if (context.kind !== "method" || typeof target !== "function") {
        throw new InvalidOptionError("@cacheable", context.name, `it decorates methods, and this is a ${context.kind}`)
      }
      return inPlaceOf(target as AnyFunction, String(context.name))
    }
    const method: unknown = descriptor?.value
    if (typeof method !== "function") {
      throw new InvalidOptionError("@cacheable", context, "it decorates methods, and this is something else")
    }
    return { ...descriptor, value: inPlaceOf(method as AnyFunction, String(context)) }
  }
  return decorate as CacheableDecorator<Args, This>
}

function isStandardContext(context: unknown): context is { kind: string; name: string | symbol } {
  return typeof context === "object" && context !== null && "kind" in context
}

function numberOf(self: unknown): unknown {
  if ((typeof self !== "object" && typeof self !== "function") || self === null) return self
  let number = instances.numbers.get(self)
  if (number === undefined) {
    instances.last += 1
    number = instances.last
    instances.numbers.set(self, number)
  }
  return number
}

/** Options of a decorator; anything that looks like a loader gone wrong is called that. */
export function methodOptionsOf(first: unknown, second: unknown): MethodOptions {
  const isOptions = first === undefined || (typeof first === "object" && first !== null && !Array.isArray(first))
  const isThenable = typeof (first as { then?: unknown } | null | undefined)?.then === "function"
  if (!isOptions || isThenable || second !== undefined) {
    throw new InvalidOptionError("loader", first, "the first argument must be the function whose results are kept")
  }
  return (first ?? {}) as MethodOptions
}
