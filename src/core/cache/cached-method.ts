import { InvalidOptionError } from "../base/errors.js"
import type { AnyFunction } from "../options/options.js"
import type { Cached } from "./cached.js"
import { nameAs } from "./definition.js"

/**
 * On a decorated method: makes the cached function of one instance. A symbol that all copies of this library know, so that
 * a wrapper which takes over the properties of what it wraps takes this one over as well.
 */
export const ON_INSTANCE = Symbol.for("zoocache.method")

/** Makes the cached function that a decorated method is for one instance. */
export type OnInstance = (self: unknown) => AnyFunction

/** Notes on the function that stands in for a method what {@link cachedMethod} needs. */
export function offerOnInstance(cached: AnyFunction, onInstance: OnInstance): AnyFunction {
  return Object.defineProperty(cached, ON_INSTANCE, { value: onInstance, configurable: true })
}

/** A function and its methods, all of them with one `this`, whatever they are called on. */
export function boundTo(
  self: unknown,
  cached: AnyFunction,
  methods: Readonly<Record<string, AnyFunction>>,
  like: AnyFunction,
): AnyFunction {
  const bind = (method: AnyFunction): AnyFunction => method.bind(self)
  const { with: withOptions, ...others } = methods
  const own: Record<string, AnyFunction> = {}
  for (const [name, method] of Object.entries(others)) own[name] = bind(method)
  if (withOptions !== undefined) own["with"] = (options: unknown) => bind(withOptions(options) as AnyFunction)
  return nameAs(Object.assign(bind(cached), own), like)
}

/** A method that a decorator caches, as a function of its instance. */
type MethodOf<F> = F extends (...args: any[]) => Promise<unknown> ? Cached<OmitThisParameter<F>> : never

/**
 * A method decorated with `@cacheable`, as a cached function of one instance: with `keyOf`, `peek`, `refresh`, `delete`,
 * `explain`, `prime` and `with`. `clear` reaches the entries of all instances. Takes the name of the method, or, for one
 * that is private or protected, the method itself.
 *
 * @throws InvalidOptionError where the method is not decorated with `@cacheable`.
 * @example
 * await users.byId(42)
 * await cachedMethod(users, "byId").delete(42)
 * await cachedMethod(users, "byId").refresh(42)
 */
export function cachedMethod<Self extends object, Name extends keyof Self>(self: Self, name: Name): MethodOf<Self[Name]>
export function cachedMethod<F extends (...args: any[]) => Promise<unknown>>(self: object, method: F): MethodOf<F>
export function cachedMethod(self: object, given: unknown): unknown {
  if ((typeof self !== "object" && typeof self !== "function") || self === null) {
    throw new InvalidOptionError("self", self, "it must be the instance whose method is meant")
  }
  const method: unknown =
    typeof given === "function" ? given : (self as Record<PropertyKey, unknown>)[given as PropertyKey]
  const onInstance = typeof method === "function" ? (method as { [ON_INSTANCE]?: OnInstance })[ON_INSTANCE] : undefined
  if (typeof onInstance !== "function") {
    throw new InvalidOptionError(
      "method",
      given,
      "it is no method decorated with `@cacheable`, or a decorator above that one has put another function in its place",
    )
  }
  return onInstance(self)
}
