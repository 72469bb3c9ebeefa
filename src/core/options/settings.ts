import type { Backend } from "../ports/backend.js"
import { type Clock, systemClock } from "../base/clock.js"
import type { EntryCodec } from "../ports/codec.js"
import { type Duration, parseDuration } from "../base/duration.js"
import { InvalidOptionError } from "../base/errors.js"
import type { Fault } from "../base/outbox.js"
import type { Isolation } from "../values/isolation.js"
import type { InvalidationLog } from "../ports/log.js"
import type { Store } from "../ports/store.js"
import type {
  AnyFunction,
  BehaviourOptions,
  CacheOptions,
  FunctionOptions,
  Singleflight,
  WhenUnsure,
} from "./options.js"

/** How nodes agree on who loads a key. */
export interface LeaseTerms {
  /** After so long without a release, another node may load. */
  readonly leaseMs: number
  /** A caller waits so long for other nodes, in total. */
  readonly waitMs: number
}

/** {@link BehaviourOptions}, checked once and complete. Times in milliseconds. */
export interface Behaviour {
  readonly ttlMs: number
  readonly idleTtlMs: number
  readonly jitter: number
  readonly graceMs: number
  readonly softTimeoutMs: number
  readonly hardTimeoutMs: number
  /** 0: never early. */
  readonly earlyRefresh: number
  readonly isolation: Isolation
  readonly inherit: boolean
  readonly tracking: boolean
  readonly context: "caller" | "root"
  /** Undefined: single flight ends with the process. */
  readonly lease: LeaseTerms | undefined
  readonly whenUnsure: WhenUnsure
}

export interface CacheSettings {
  readonly prefix: string
  readonly backend: Backend | undefined
  readonly log: InvalidationLog | undefined
  readonly store: Store | undefined
  readonly codec: EntryCodec | undefined
  readonly strict: boolean
  readonly memory:
    | {
        readonly maxEntries: number
        readonly maxBytes: number
        readonly sizeOf: ((value: unknown) => number) | undefined
      }
    | false
  readonly stalenessBoundMs: number
  readonly ackTimeoutMs: number
  readonly maxLoads: number
  readonly enabled: boolean
  readonly redefine: boolean
  readonly onFault: ((fault: Fault) => void) | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly behaviour: Behaviour
}

const DEFAULT_BEHAVIOUR: Behaviour = Object.freeze({
  ttlMs: Number.POSITIVE_INFINITY,
  idleTtlMs: Number.POSITIVE_INFINITY,
  jitter: 0,
  graceMs: 0,
  softTimeoutMs: 0,
  hardTimeoutMs: 60_000,
  earlyRefresh: 0,
  isolation: "freeze",
  inherit: true,
  tracking: true,
  context: "caller",
  lease: undefined,
  whenUnsure: "load",
} as const)

const DEFAULT_LEASE_MS = 10_000

const WHEN_UNSURE = ["load", "serve", "throw"] as const

export const DEFAULT_MAX_ENTRIES = 100_000

const BEHAVIOUR_NAMES = [
  "ttl",
  "idleTtl",
  "jitter",
  "grace",
  "timeout",
  "earlyRefresh",
  "isolation",
  "inherit",
  "tracking",
  "context",
  "singleflight",
] as const

const CACHE_NAMES = new Set<string>([
  ...BEHAVIOUR_NAMES,
  "prefix",
  "backend",
  "log",
  "store",
  "codec",
  "strict",
  "memory",
  "staleness",
  "ackTimeout",
  "maxLoads",
  "enabled",
  "redefine",
  "onFault",
  "clock",
  "random",
])

const FUNCTION_NAMES = new Set<string>([
  ...BEHAVIOUR_NAMES,
  "name",
  "version",
  "deps",
  "depsOf",
  "key",
  "cacheIf",
  "cacheErrors",
  "whenUnsure",
  "sizeOf",
  "validate",
])

/** Checks what a user gave to `createCache` and completes it; throws `InvalidOptionError`. */
export function normalizeCacheOptions(options: CacheOptions): CacheSettings {
  checkNames(options, CACHE_NAMES, "createCache")
  const memory = options.memory ?? {}
  if (memory !== false) checkNames(memory, new Set(["maxEntries", "maxBytes", "sizeOf"]), "memory", "memory.")
  const staleness = options.staleness ?? {}
  checkNames(staleness, new Set(["bound", "whenUnsure"]), "staleness", "staleness.")
  const prefix = options.prefix ?? ""
  if (typeof prefix !== "string") throw new InvalidOptionError("prefix", prefix, "it must be a string")
  const backend = checkParts<Backend>(options.backend, "backend", ["open"])
  const store = checkParts<Store>(options.store, "store", ["get", "put", "remove", "touch", "stats", "close"])
  const codec = checkParts<EntryCodec>(options.codec, "codec", ["encode", "decodeHeader", "decodeValue", "amend"])
  if (store !== undefined && codec === undefined && backend === undefined) {
    throw new InvalidOptionError("store", store, "it needs a `codec`, such as `createCodec()` of zoocache/codec")
  }
  if (options.log !== undefined && backend?.needsOwnLog === true) {
    throw new InvalidOptionError(
      "log",
      options.log,
      `the backend ${backend.name} keeps entries and invalidations together; leave one of the two out`,
    )
  }
  const strict = boolean(options.strict ?? false, "strict")
  if (strict && codec === undefined && backend === undefined) {
    throw new InvalidOptionError(
      "strict",
      strict,
      "there is nothing to be strict about without a `backend` or a `codec`",
    )
  }
  return Object.freeze({
    prefix,
    backend,
    log: checkLog(options.log),
    store,
    codec,
    strict,
    memory:
      memory === false
        ? false
        : Object.freeze({
            maxEntries: positiveInteger(memory.maxEntries ?? DEFAULT_MAX_ENTRIES, "memory.maxEntries"),
            maxBytes: positiveInteger(memory.maxBytes ?? Number.POSITIVE_INFINITY, "memory.maxBytes"),
            sizeOf: optionalFunction(memory.sizeOf, "memory.sizeOf"),
          }),
    stalenessBoundMs: nonNegative(parseDuration(staleness.bound ?? 5000, "staleness.bound"), "staleness.bound"),
    ackTimeoutMs: nonNegative(parseDuration(options.ackTimeout ?? 5000, "ackTimeout"), "ackTimeout"),
    maxLoads: positiveInteger(options.maxLoads ?? backend?.maxLoads ?? Number.POSITIVE_INFINITY, "maxLoads"),
    enabled: boolean(options.enabled ?? true, "enabled"),
    redefine: boolean(options.redefine ?? !isProduction(), "redefine"),
    onFault: optionalFunction(options.onFault, "onFault"),
    clock: checkClock(options.clock),
    random: optionalFunction(options.random, "random") ?? Math.random,
    behaviour: Object.freeze({
      ...normalizeBehaviour(options, DEFAULT_BEHAVIOUR),
      whenUnsure: oneOf(staleness.whenUnsure ?? "load", WHEN_UNSURE, "staleness.whenUnsure"),
    }),
  })
}

/** Checks the names and the shared part of a function's options. */
export function normalizeFunctionBehaviour<Args extends readonly unknown[], Value>(
  options: FunctionOptions<Args, Value>,
  defaults: Behaviour,
  also: readonly string[] = [],
): Behaviour {
  checkNames(options, also.length === 0 ? FUNCTION_NAMES : new Set([...FUNCTION_NAMES, ...also]), "cacheable")
  const { name, version, deps } = options
  if (name !== undefined) checkName(name)
  if (version !== undefined && typeof version !== "string" && !Number.isFinite(version)) {
    throw new InvalidOptionError("version", version, "it must be a string or a number")
  }
  if (deps !== undefined && typeof deps !== "function" && !isStringArray(deps)) {
    throw new InvalidOptionError("deps", deps, "it must be an array of tags, or a function that returns one")
  }
  for (const hook of ["depsOf", "key", "cacheIf", "sizeOf", "validate"] as const) optionalFunction(options[hook], hook)
  const { cacheErrors, ttl, whenUnsure, ...rest } = options
  if (cacheErrors !== undefined && cacheErrors !== false && typeof cacheErrors !== "function") {
    parseDuration(cacheErrors, "cacheErrors")
  }
  const base =
    whenUnsure === undefined ? defaults : { ...defaults, whenUnsure: oneOf(whenUnsure, WHEN_UNSURE, "whenUnsure") }
  return normalizeBehaviour(
    typeof ttl === "function" || ttl === undefined ? rest : { ...(rest as BehaviourOptions), ttl },
    base,
  )
}

export function checkName(name: unknown): asserts name is string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (typeof name !== "string" || name === "" || name.length > 200 || /[\u0000-\u001f\u007f]/.test(name)) {
    throw new InvalidOptionError("name", name, "it must be a string of 1 to 200 characters without control characters")
  }
}

export function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string")
}

function normalizeBehaviour(options: BehaviourOptions, defaults: Behaviour): Behaviour {
  const duration = (value: Duration | undefined, name: string, otherwise: number) =>
    value === undefined ? otherwise : parseDuration(value, name)
  const { timeout } = options
  const isPair = typeof timeout === "object" && timeout !== null
  if (isPair) checkNames(timeout, new Set(["soft", "hard"]), "timeout", "timeout.")
  const hard = isPair ? timeout.hard : timeout
  const hardTimeoutMs = duration(hard, isPair ? "timeout.hard" : "timeout", defaults.hardTimeoutMs)
  if (hardTimeoutMs <= 0) {
    throw new InvalidOptionError("timeout", hard, "it must be above 0; use Infinity for a load that may take for ever")
  }
  const softTimeoutMs = duration(isPair ? timeout.soft : undefined, "timeout.soft", defaults.softTimeoutMs)
  return Object.freeze({
    ttlMs: duration(options.ttl, "ttl", defaults.ttlMs),
    idleTtlMs: duration(options.idleTtl, "idleTtl", defaults.idleTtlMs),
    jitter: fraction(options.jitter ?? defaults.jitter, "jitter", true),
    graceMs: nonNegative(duration(options.grace, "grace", defaults.graceMs), "grace"),
    softTimeoutMs: nonNegative(softTimeoutMs, "timeout.soft"),
    hardTimeoutMs,
    earlyRefresh: fraction(options.earlyRefresh ?? defaults.earlyRefresh, "earlyRefresh", false),
    isolation: oneOf(options.isolation ?? defaults.isolation, ["freeze", "clone", "share"], "isolation"),
    inherit: boolean(options.inherit ?? defaults.inherit, "inherit"),
    tracking: boolean(options.tracking ?? defaults.tracking, "tracking"),
    context: oneOf(options.context ?? defaults.context, ["caller", "root"], "context"),
    lease: leaseOf(options.singleflight, defaults.lease),
    whenUnsure: defaults.whenUnsure,
  })
}

/** `"cluster"` alone takes the terms of the cache, if it has some. */
function leaseOf(given: Singleflight | undefined, terms: LeaseTerms | undefined): LeaseTerms | undefined {
  if (given === undefined) return terms
  if (given === "process") return undefined
  const isObject = typeof given === "object" && given !== null
  if ((isObject ? given.scope : given) !== "cluster") {
    const name = isObject ? "singleflight.scope" : "singleflight"
    const allowed = isObject ? 'it must be "cluster"' : 'it must be "process", "cluster" or an object with a `scope`'
    throw new InvalidOptionError(name, isObject ? given.scope : given, allowed)
  }
  const { lease, wait } = isObject ? given : { lease: undefined, wait: undefined }
  if (isObject) checkNames(given, new Set(["scope", "lease", "wait"]), "singleflight", "singleflight.")
  const ms = (value: Duration, name: string) => {
    const parsed = parseDuration(value, name)
    if (parsed >= 1 && parsed !== Number.POSITIVE_INFINITY) return Math.ceil(parsed)
    throw new InvalidOptionError(name, value, "it must be at least 1 ms, and not without end")
  }
  const leaseMs = lease === undefined ? (terms?.leaseMs ?? DEFAULT_LEASE_MS) : ms(lease, "singleflight.lease")
  // Long enough for one more leader, should the first be gone: the others would else all load when its lease ends.
  const otherwise = lease === undefined ? (terms?.waitMs ?? 2 * leaseMs) : 2 * leaseMs
  return Object.freeze({ leaseMs, waitMs: wait === undefined ? otherwise : ms(wait, "singleflight.wait") })
}

/** Options are an object, whatever is in it. */
export function checkObject(options: unknown, of: string, name = "options"): asserts options is object {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return
  throw new InvalidOptionError(name, options, `the options of ${of} must be an object`)
}

/** A loader, or whatever a function is asked for, is one. */
export function checkFunction(given: unknown, name: string, what: string): asserts given is AnyFunction {
  if (typeof given !== "function") throw new InvalidOptionError(name, given, `it must be ${what}`)
}

/** An unknown option is most often a misspelt one, and one that nothing reads would be a silent no-op. */
export function checkNames(options: unknown, known: ReadonlySet<string>, of: string, path = ""): void {
  checkObject(options, of, path === "" ? "options" : of)
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue
    throw new InvalidOptionError(
      path + name,
      (options as Record<string, unknown>)[name],
      `${of} has no such option; it has ${[...known].sort().join(", ")}`,
    )
  }
}

function checkLog(log: unknown): InvalidationLog | undefined {
  if (log === undefined) return undefined
  const isLog =
    typeof log === "object" &&
    log !== null &&
    ["append", "pull", "listen", "close"].every(
      (name) => typeof (log as Record<string, unknown>)[name] === "function",
    ) &&
    typeof (log as Record<string, unknown>)["local"] === "boolean"
  if (!isLog) throw new InvalidOptionError("log", log, "it must have `local`, `append`, `pull`, `listen` and `close`")
  return log as InvalidationLog
}

function checkParts<T>(given: unknown, option: string, methods: readonly string[]): T | undefined {
  if (given === undefined) return undefined
  const isWhole =
    typeof given === "object" &&
    given !== null &&
    methods.every((method) => typeof (given as Record<string, unknown>)[method] === "function")
  if (isWhole) return given as T
  const listed = methods.map((method) => `\`${method}\``).join(", ")
  throw new InvalidOptionError(option, given, `it must be an object with ${listed}`)
}

function checkClock(clock: unknown): Clock {
  if (clock === undefined) return systemClock
  const names = ["now", "wall", "onTurnEnd", "setTimer"]
  const isClock =
    typeof clock === "object" &&
    clock !== null &&
    names.every((name) => typeof (clock as Record<string, unknown>)[name] === "function")
  if (!isClock)
    throw new InvalidOptionError("clock", clock, `it must have ${names.map((name) => `\`${name}\``).join(", ")}`)
  return clock as Clock
}

export function positiveInteger(value: unknown, option: string): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && (value as number) >= 1)) {
    return value as number
  }
  throw new InvalidOptionError(option, value, "it must be a whole number of at least 1, or Infinity")
}

function nonNegative(value: number, option: string): number {
  if (value >= 0) return value
  throw new InvalidOptionError(option, value, "it must not be negative")
}

function fraction(value: unknown, option: string, withOne: boolean): number {
  if (typeof value === "number" && value >= 0 && (value < 1 || (withOne && value === 1))) return value
  throw new InvalidOptionError(option, value, `it must be a number from 0 to ${withOne ? "1" : "below 1"}`)
}

function boolean(value: unknown, option: string): boolean {
  if (typeof value === "boolean") return value
  throw new InvalidOptionError(option, value, "it must be true or false")
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], option: string): T {
  if (allowed.includes(value as T)) return value as T
  throw new InvalidOptionError(option, value, `it must be one of ${allowed.map((name) => `"${name}"`).join(", ")}`)
}

function optionalFunction<F extends AnyFunction>(value: F | undefined, option: string): F | undefined {
  if (value === undefined || typeof value === "function") return value
  throw new InvalidOptionError(option, value, "it must be a function")
}

function isProduction(): boolean {
  return globalThis.process?.env?.["NODE_ENV"] === "production"
}
