import type { Backend } from "../ports/backend.js"
import type { Clock } from "../base/clock.js"
import type { EntryCodec } from "../ports/codec.js"
import { type Duration, parseDuration } from "../base/duration.js"
import { InvalidOptionError } from "../base/errors.js"
import type { Fault } from "../base/outbox.js"
import { type Isolation, ISOLATIONS } from "../values/isolation.js"
import type { InvalidationLog } from "../ports/log.js"
import type { Store } from "../ports/store.js"
import {
  boolean,
  checkClock,
  checkName,
  checkNames,
  fraction,
  isStringArray,
  nonNegative,
  oneOf,
  optionalFunction,
  positiveInteger,
} from "./checks.js"
import type {
  BehaviourOptions,
  CacheOptions,
  FunctionOptions,
  Redefine,
  Singleflight,
  Tiers,
  WhenUnsure,
} from "./options.js"

/** The terms on which nodes agree who loads a key. */
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
  readonly finish: "wanted" | "always"
  /** `"memory"` where results are private. */
  readonly tiers: Tiers
  /** Values that are of no other use are kept for `revalidate`. */
  readonly revalidates: boolean
  /** Nothing that is made of a result may leave memory. */
  readonly isSecret: boolean
}

/** The parts of a cache that others may have, too. */
export interface BackingSettings {
  readonly backend: Backend | undefined
  readonly log: InvalidationLog | undefined
  readonly store: Store | undefined
  readonly codec: EntryCodec | undefined
}

/** {@link CacheOptions}, checked once and complete. Times in milliseconds. */
export interface CacheSettings extends BackingSettings {
  readonly name: string | undefined
  readonly prefix: string
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
  readonly redefine: Redefine
  /** NODE_ENV, as it was when the cache was made. */
  readonly isProduction: boolean
  readonly waitUntil: ((work: Promise<void>) => unknown) | undefined
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
  finish: "wanted",
  tiers: "all",
  revalidates: false,
  isSecret: false,
} as const)

const DEFAULT_LEASE_MS = 10_000

const REDEFINE = ["error", "replace", "share"] as const

export const TIERS = ["all", "memory"] as const

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
  "finish",
] as const

const CACHE_NAMES = new Set<string>([
  ...BEHAVIOUR_NAMES,
  "name",
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
  "waitUntil",
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
  "revalidate",
  "tiers",
  "private",
])

const NO_BACKING: BackingSettings = Object.freeze({
  backend: undefined,
  log: undefined,
  store: undefined,
  codec: undefined,
})

/** Whether anything was given that a cache in memory does not have. */
export function hasBacking({ backend, log, store, codec }: Partial<BackingSettings>): boolean {
  return [backend, log, store, codec].some((part) => part !== undefined)
}

/**
 * Checks what a user gave to `createCache` and completes it; throws `InvalidOptionError`.
 *
 * @param checkBacking called where there is something to check: a bundle of a cache in memory does without.
 */
export function normalizeCacheOptions(
  options: CacheOptions,
  checkBacking: (options: CacheOptions) => BackingSettings,
): CacheSettings {
  checkNames(options, CACHE_NAMES, "createCache")
  const memory = options.memory ?? {}
  if (memory !== false) checkNames(memory, new Set(["maxEntries", "maxBytes", "sizeOf"]), "memory", "memory.")
  const staleness = options.staleness ?? {}
  checkNames(staleness, new Set(["bound", "whenUnsure"]), "staleness", "staleness.")
  const { name } = options
  if (name !== undefined) checkName(name)
  const prefix = options.prefix ?? ""
  if (typeof prefix !== "string") throw new InvalidOptionError("prefix", prefix, "it must be a string")
  const backing = hasBacking(options) ? checkBacking(options) : NO_BACKING
  const { backend, codec } = backing
  const strict = boolean(options.strict ?? false, "strict")
  if (strict && codec === undefined && backend === undefined) {
    throw new InvalidOptionError(
      "strict",
      strict,
      "there is nothing to be strict about without a `backend` or a `codec`",
    )
  }
  return Object.freeze({
    name,
    prefix,
    ...backing,
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
    redefine: oneOf(options.redefine ?? "error", REDEFINE, "redefine"),
    isProduction: isProduction(),
    waitUntil: optionalFunction(options.waitUntil, "waitUntil"),
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
  for (const hook of ["depsOf", "key", "cacheIf", "sizeOf", "validate", "revalidate"] as const)
    optionalFunction(options[hook], hook)
  const { cacheErrors, ttl, whenUnsure, tiers, private: isPrivate, ...rest } = options
  if (cacheErrors !== undefined && cacheErrors !== false && typeof cacheErrors !== "function") {
    parseDuration(cacheErrors, "cacheErrors")
  }
  const base: { -readonly [Name in keyof Behaviour]: Behaviour[Name] } = { ...defaults }
  if (whenUnsure !== undefined) base.whenUnsure = oneOf(whenUnsure, WHEN_UNSURE, "whenUnsure")
  if (tiers !== undefined) base.tiers = oneOf(tiers, TIERS, "tiers")
  if (isPrivate !== undefined) base.isSecret = boolean(isPrivate, "private")
  base.revalidates = options.revalidate !== undefined
  if (base.isSecret) base.tiers = "memory"
  return normalizeBehaviour(
    typeof ttl === "function" || ttl === undefined ? rest : { ...(rest as BehaviourOptions), ttl },
    base,
  )
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
  const lease = leaseOf(options.singleflight, defaults.lease)
  const softTimeoutMs = duration(isPair ? timeout.soft : undefined, "timeout.soft", defaults.softTimeoutMs)
  return Object.freeze({
    ttlMs: duration(options.ttl, "ttl", defaults.ttlMs),
    idleTtlMs: duration(options.idleTtl, "idleTtl", defaults.idleTtlMs),
    jitter: fraction(options.jitter ?? defaults.jitter, "jitter", true),
    graceMs: nonNegative(duration(options.grace, "grace", defaults.graceMs), "grace"),
    softTimeoutMs: nonNegative(softTimeoutMs, "timeout.soft"),
    hardTimeoutMs,
    earlyRefresh: fraction(options.earlyRefresh ?? defaults.earlyRefresh, "earlyRefresh", false),
    isolation: oneOf(options.isolation ?? defaults.isolation, ISOLATIONS, "isolation"),
    inherit: boolean(options.inherit ?? defaults.inherit, "inherit"),
    tracking: boolean(options.tracking ?? defaults.tracking, "tracking"),
    context: oneOf(options.context ?? defaults.context, ["caller", "root"], "context"),
    // What stays in memory is of no use to other nodes.
    lease: defaults.tiers === "memory" ? undefined : lease,
    whenUnsure: defaults.whenUnsure,
    finish: oneOf(options.finish ?? defaults.finish, ["wanted", "always"], "finish"),
    tiers: defaults.tiers,
    revalidates: defaults.revalidates,
    isSecret: defaults.isSecret,
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

function isProduction(): boolean {
  return globalThis.process?.env?.["NODE_ENV"] === "production"
}
