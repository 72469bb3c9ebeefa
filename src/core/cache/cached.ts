import type { AnyFunction, FunctionOptions } from "../options/options.js"
import type { Token } from "../tags/version.js"
import type { Explanation } from "./explain.js"

/** How one call may differ from others. */
export interface CallOptions {
  /** Lets this caller leave early. The load goes on for the others. */
  signal?: AbortSignal
  /** Takes no stored value and joins no load that began before. */
  fresh?: boolean
}

/** What a cached function can be asked and told, besides being called. */
export interface CachedMethods<F extends AnyFunction> {
  /** The public key of a call: `cache.get`, `delete` and `explain` take it. */
  keyOf(...args: Parameters<F>): string
  /** The stored value if it may be served right now, without loading; undefined otherwise. */
  peek(...args: Parameters<F>): Awaited<ReturnType<F>> | undefined
  /** Loads anew, joining no load that began before. */
  refresh(...args: Parameters<F>): Promise<Awaited<ReturnType<F>>>
  /** Invalidates the entry of one call. */
  delete(...args: Parameters<F>): Promise<Token>
  /** Invalidates every entry of this function. */
  clear(): Promise<Token>
  /** Whether the entry of a call is fresh, and if not, why. */
  explain(...args: Parameters<F>): Explanation
  /** The function with other options for a single call. */
  with(options: CallOptions): PromiseReturning<F>
}

/** `F`, returning a promise if it did not. Its overloads and type parameters stay where it did. */
export type PromiseReturning<F extends AnyFunction> = [ReturnType<F>] extends [PromiseLike<unknown>]
  ? F
  : (this: ThisParameterType<F>, ...args: Parameters<F>) => Promise<Awaited<ReturnType<F>>>

/** The parameters of a loader. Asked of any function: a narrower question would turn untyped parameters into `any`. */
export type ParametersOf<F> = F extends (...args: infer Args) => unknown ? Args : never

/** What a loader resolves to. */
export type ValueOf<F> = F extends (...args: never) => infer Result ? Awaited<Result> : never

/** A cached function: called like the loader it was made of. */
export type Cached<F extends AnyFunction> = PromiseReturning<F> & CachedMethods<F>

/** A cached function that answers at once. */
export type CachedSync<F extends AnyFunction> = F & {
  /** The public key of a call. */
  keyOf(...args: Parameters<F>): string
  /** The stored value if it may be served right now, without loading. */
  peek(...args: Parameters<F>): ReturnType<F> | undefined
  /** Loads anew. */
  refresh(...args: Parameters<F>): ReturnType<F>
  /** Invalidates the entry of one call. */
  delete(...args: Parameters<F>): Promise<Token>
  /** Invalidates every entry of this function. */
  clear(): Promise<Token>
  explain(...args: Parameters<F>): Explanation
}

/** Loads many at once: a Map (ids without a value are absent), or an array in the order of the ids. */
export type ManyLoader<Id, Value> = (
  ids: readonly Id[],
) => Promise<ReadonlyMap<Id, Value> | readonly (Value | Error | null | undefined)[]> | ReadonlyMap<Id, Value>

export interface ManyOptions<Id, Value> extends FunctionOptions<[id: Id], Value> {
  /** How many ids one load gets at most. Default: any number. */
  maxBatch?: number
}

/** A cached function of many ids. */
export interface CachedMany<Id, Value> {
  /**
   * The values of these ids, in their order; ids without a value are absent. Only what is missing is loaded, in one load
   * with all that other calls of the same tick miss. Rejects with the first error that the loader gave for an id.
   */
  (ids: readonly Id[]): Promise<Map<Id, Value>>
  /** The value of one id, or undefined; loaded together with all others that are asked for in the same tick. */
  one(id: Id): Promise<Value | undefined>
  keyOf(id: Id): string
  /** The stored value if it may be served right now, without loading. */
  peek(id: Id): Value | undefined
  /** Loads an id anew, joining no load that began before. */
  refresh(id: Id): Promise<Value | undefined>
  /** Invalidates the entries of these ids. */
  delete(...ids: readonly Id[]): Promise<Token>
  /** Invalidates every entry of this function. */
  clear(): Promise<Token>
  explain(id: Id): Explanation
}
