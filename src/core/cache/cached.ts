import type { AnyFunction, FunctionOptions } from "../options/options.js"
import type { Token } from "../tags/version.js"
import type { Explanation } from "./explain.js"
import type { PrimeOptions } from "./prime.js"

/** How one call may differ from others. */
export interface CallOptions {
  /** Lets this caller leave early. The load goes on for the others. */
  signal?: AbortSignal | undefined
  /** Takes no stored value and joins no load that began before. */
  fresh?: boolean | undefined
}

/**
 * The methods of a cached function. Every overload of the loader is one of each
 * method, too. Tokens are undefined inside a transaction, where nothing has been appended yet; `cache.sync` takes that.
 */
export interface CachedMethods<F extends AnyFunction> {
  /** The public key of a call: `cache.get`, `delete` and `explain` take it. */
  keyOf(...args: ParametersOf<F>): string
  /** The stored value if it may be served right now, without loading; undefined otherwise. */
  peek: Peeking<F>
  /** Loads anew, joining no load that began before. Call it with `.call(self, …)` if the loader needs a `this`. */
  refresh: PromiseReturning<F>
  /** Invalidates the entry of one call. */
  delete(...args: ParametersOf<F>): Promise<Token | undefined>
  /**
   * Softer: the entry of one call counts as past its ttl, in every process, so that grace may serve it once more and
   * `revalidate` is asked about it. What was made of it has expired with it.
   *
   * @example
   * await getUser.expire(42)
   */
  expire(...args: ParametersOf<F>): Promise<Token | undefined>
  /** Invalidates every entry of this function. */
  clear(): Promise<Token | undefined>
  /** Whether the entry of a call is fresh, and if not, why. */
  explain(...args: ParametersOf<F>): Explanation
  /**
   * Stores a value as the result of a call, as if the loader had returned it: with this function's `deps`, `depsOf`, `ttl`,
   * isolation and `cacheIf`. For write-through: what a reader would otherwise have to load.
   *
   * Rejects with InvalidOptionError without `asOf`.
   *
   * @example
   * await db.rename(42, "Ada")
   * await cache.invalidate("user:42")
   * const asOf = cache.position()
   * await getUser.prime([42], await db.user(42), { asOf })
   */
  prime(...given: [...call: ResultOfCall<F>, options: PrimeOptions]): Promise<Token | undefined>
  /** Stores the results of several calls in one append; of several for one call the last counts. */
  primeMany(items: readonly ResultOfCall<F>[], options: PrimeOptions): Promise<Token | undefined>
  /** The function with other options for a single call. */
  with(options: CallOptions): PromiseReturning<F>
}

/** A cached function: called like the loader it was made of. */
export type Cached<F extends AnyFunction> = PromiseReturning<F> & CachedMethods<F>

/** A cached function that answers at once. */
export type CachedSync<F extends AnyFunction> = Callable<F> & {
  /** The public key of a call. */
  keyOf(...args: ParametersOf<F>): string
  /** The stored value if it may be served right now, without loading. */
  peek: Peeking<F>
  /** Loads anew. Call it with `.call(self, …)` if the loader needs a `this`. */
  refresh: Callable<F>
  /** Invalidates the entry of one call. The token is undefined inside a transaction. */
  delete(...args: ParametersOf<F>): Promise<Token | undefined>
  /** See {@link CachedMethods.expire}. */
  expire(...args: ParametersOf<F>): Promise<Token | undefined>
  /** Invalidates every entry of this function. */
  clear(): Promise<Token | undefined>
  explain(...args: ParametersOf<F>): Explanation
  /** See {@link CachedMethods.prime}. */
  prime(...given: [...call: ResultOfCall<F>, options: PrimeOptions]): Promise<Token | undefined>
  /** See {@link CachedMethods.primeMany}. */
  primeMany(items: readonly ResultOfCall<F>[], options: PrimeOptions): Promise<Token | undefined>
}

/**
 * `F`, returning a promise whatever it returned: a value, or something that can only be awaited, such as a query. Type
 * parameters stay where every overload returned a promise.
 */
export type PromiseReturning<F extends AnyFunction> =
  ReturnsPromise<F> extends true ? Callable<F> : Overloaded<SignaturesOf<F>, ThisParameterType<F>, "promise">

/** The parameters of a loader; of an overloaded one those of any overload. */
export type ParametersOf<F> = SignaturesOf<F>[number]["args"]

/** The parameters of a loader's hooks: those of the loader; of an overloaded one, each may be that of any overload. */
export type HookParametersOf<F> =
  SignaturesOf<F> extends readonly [infer Only extends Signature] ? Only["args"] : Merged<ParametersOf<F>>

// A union of lists would refuse a hook that takes fewer parameters.
type Merged<Lists extends readonly unknown[]> = [Lists] extends [readonly []]
  ? []
  : number extends Lists["length"]
    ? Lists[number][]
    : [Lists] extends [readonly [unknown, ...unknown[]]]
      ? [HeadOf<Lists>, ...Merged<TailOf<Lists>>]
      : [HeadOf<Lists>?, ...Merged<TailOf<Lists>>]

type HeadOf<List> = List extends readonly []
  ? never
  : List extends readonly [(infer Head)?, ...unknown[]]
    ? Head
    : never

type TailOf<List> = List extends readonly [unknown?, ...infer Tail] ? Tail : []

/** The value that a loader resolves to; of an overloaded one, that of any overload. */
export type ValueOf<F> = Awaited<ResultOf<F>>

type ResultOf<F> = SignaturesOf<F>[number]["result"]

/** The arguments of a call and what it resolves to; of an overloaded function both of the same overload. */
export type ResultOfCall<F> = SignaturesOf<F>[number]["primed"]

/** An overload of a loader, and what a cached function makes of its result. */
interface Signature<Args extends readonly unknown[] = readonly unknown[], Result = unknown> {
  readonly args: Args
  readonly result: Result
  readonly promise: Promise<Awaited<Result>>
  readonly stored: Awaited<Result> | undefined
  readonly primed: readonly [args: Args, value: Awaited<Result>]
}

/**
 * The signatures of a function, in their order; of more than eight overloads the last eight. Inference fills a pattern
 * from its end, and, since TypeScript 5.3, repeats the first where there are fewer.
 */
type SignaturesOf<F> = F extends {
  (...args: infer A1): infer R1
  (...args: infer A2): infer R2
  (...args: infer A3): infer R3
  (...args: infer A4): infer R4
  (...args: infer A5): infer R5
  (...args: infer A6): infer R6
  (...args: infer A7): infer R7
  (...args: infer A8): infer R8
}
  ? WithoutPadding<
      [
        Signature<A1, R1>,
        Signature<A2, R2>,
        Signature<A3, R3>,
        Signature<A4, R4>,
        Signature<A5, R5>,
        Signature<A6, R6>,
        Signature<A7, R7>,
        Signature<A8, R8>,
      ]
    >
  : never

type WithoutPadding<List extends readonly unknown[]> = List extends readonly [infer First, infer Second, ...infer Rest]
  ? IsSame<First, Second> extends true
    ? WithoutPadding<[Second, ...Rest]>
    : List
  : List

// Comparing what each would be assigned to would take `any` for the same as everything.
type IsSame<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Whether every overload of a function returns a promise, with nothing that another promise would lack. */
export type ReturnsPromise<F> = [ResultOf<F>] extends [never]
  ? false
  : [NoPromise<ResultOf<F>>] extends [never]
    ? true
    : false

// A query builder may have every member of a promise; but no promise has every member of a query builder.
type NoPromise<R> = R extends Promise<unknown> ? (Promise<Awaited<R>> extends R ? never : R) : R

/** `F` without properties of its own, which no cached function takes over. */
type Callable<F extends AnyFunction> = [keyof F] extends [never]
  ? F
  : Overloaded<SignaturesOf<F>, ThisParameterType<F>, "result">

/** Answers with what is stored of a call, in every overload of `F`. */
type Peeking<F extends AnyFunction> = Overloaded<SignaturesOf<F>, unknown, "stored">

/** A function with these signatures, but for what they return. */
type Overloaded<
  List extends readonly Signature[],
  This,
  Answers extends "result" | "promise" | "stored",
> = List extends readonly [infer First extends Signature, ...infer Rest extends readonly Signature[]]
  ? WithThis<This, First["args"], First[Answers]> & Overloaded<Rest, This, Answers>
  : unknown

type WithThis<This, Args extends readonly unknown[], Result> = [unknown] extends [This]
  ? (...args: Args) => Result
  : (this: This, ...args: Args) => Result

/** The answer of a loader of many ids: a Map, or an array with one item per id, in their order. */
export type ManyAnswer<Id, Value> = ReadonlyMap<Id, Value | Error | undefined> | readonly (Value | Error | undefined)[]

/**
 * Loads many at once. Ids that a Map lacks, or that are `undefined` in it or in an array, have no value; `null` is a
 * value like any other. An Error rejects for its id alone.
 */
export type ManyLoader<Id, Value> = (ids: readonly Id[]) => ManyAnswer<Id, Value> | PromiseLike<ManyAnswer<Id, Value>>

export interface ManyOptions<Id, Value> extends Omit<FunctionOptions<[id: Id], Value>, "revalidate"> {
  /** How many ids one load gets at most. Default: any number. */
  maxBatch?: number | undefined
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
  /** Invalidates the entries of these ids. The token is undefined inside a transaction. */
  delete(...ids: readonly Id[]): Promise<Token | undefined>
  /** Softer, see {@link CachedMethods.expire}. */
  expire(...ids: readonly Id[]): Promise<Token | undefined>
  /** Invalidates every entry of this function. The token is undefined inside a transaction. */
  clear(): Promise<Token | undefined>
  explain(id: Id): Explanation
  /** Stores the value of one id, with this function's own options; see {@link CachedMethods.prime}. */
  prime(id: Id, value: Value, options: PrimeOptions): Promise<Token | undefined>
  /** Stores the values of several ids in one append. */
  primeMany(items: readonly (readonly [id: Id, value: Value])[], options: PrimeOptions): Promise<Token | undefined>
}
