import {
  asHookError,
  asStoreError,
  EntryTooLargeError,
  HookError,
  InvalidOptionError,
  isA,
  UncacheableValueError,
  type ZooCacheError,
} from "../base/errors.js"
import { parseDuration } from "../base/duration.js"
import type { Turn } from "../base/turn.js"
import type { Outbox } from "../base/outbox.js"
import {
  ALWAYS,
  type Aged,
  type Aging,
  agingOf,
  deadlineOf,
  expiredAging,
  expiryOf,
  lookedAtAlways,
} from "../entries/age.js"
import type { Entries } from "../entries/entries.js"
import { rareOf } from "../entries/table.js"
import type { SharedTier } from "../entries/shared-tier.js"
import type { EntryEncoder } from "../entries/stored-form.js"
import { isStringArray } from "../options/checks.js"
import type { Behaviour, CacheSettings } from "../options/settings.js"
import type { Rank } from "../ports/store.js"
import { type Freshness, freshnessWithKey } from "../tags/freshness.js"
import type { TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { assertReusable, isolate } from "../values/isolation.js"
import type { Definition } from "./definition.js"
import type { Flight } from "./flight.js"
import type { LoadRequest } from "./load-request.js"
import type { Outcome } from "./outcome.js"
import { behaviourOf, staysInMemory } from "./load-settings.js"
import type { Load } from "./run.js"
import type { RunningLoads } from "./running.js"

/** The back-off of errors that are kept doubles at most so many times. */
const LONGEST_BACK_OFF = 6

export interface LandingOptions {
  readonly settings: CacheSettings
  readonly turn: Turn
  readonly trie: TagTrie
  readonly outbox: Outbox
  readonly entries: Entries
  readonly shared: SharedTier | undefined
  readonly encoder: EntryEncoder | undefined
  readonly running: RunningLoads
}

/** The end of a load: what its result depends on, whether it may be kept, and in which form. */
export class Landing {
  readonly #options: LandingOptions

  constructor(options: LandingOptions) {
    this.#options = options
  }

  /**
   * Applies the rule to what a load brought: what it depends on, whether it may be kept, and in which form. Hooks, getters
   * and clones are user code, which may invalidate what the load depends on: they run first, and the rule is the last thing
   * before the result is stored.
   */
  conclude(flight: Flight, load: Load, loaded: Outcome): { outcome: Outcome; freshness: Freshness } {
    const { request } = flight
    const { hooks } = request.definition
    const { run } = load
    const { outcome, isWhole } = this.#checkReusable(flight, loaded)
    const hasNoValue = outcome.isError || outcome.isAbsent === true
    const areDependenciesKnown = hasNoValue || this.#addResultDependencies(load, request, outcome.value)
    // Dependencies that show in the value only can't be known of a load without one.
    if (!areDependenciesKnown || (hasNoValue && hooks.depsOf !== undefined)) load.isTainted = true
    const mayKeep =
      run.isStorable &&
      !run.isTainted &&
      !flight.isPrivate &&
      !flight.table.isReplaced &&
      areDependenciesKnown &&
      outcome.isError === loaded.isError
    if (flight.isPrivate) load.isTainted = true
    const verdict = (): Freshness => (areDependenciesKnown ? this.freshnessOf(load) : "stale")
    const isStaleAlready = verdict() === "stale"
    if (isStaleAlready && mayKeep) flight.table.counters.staleLoads += 1
    const isKeepable = mayKeep && !isStaleAlready
    if (outcome.isError) {
      flight.table.counters.loadErrors += 1
      if (isKeepable) this.#keepError(flight, request, load, outcome.value)
      return { outcome, freshness: verdict() }
    }
    const isolated = isWhole ? this.#isolate(flight, request.definition, outcome.value) : { ...outcome, isWhole }
    const answer = { ...outcome, value: isolated.value }
    if (isKeepable && isolated.isWhole) {
      const refusal = this.#keep(request, load, answer)
      if (refusal !== undefined) return { outcome: { isError: true, value: refusal }, freshness: verdict() }
    } else if (!run.isStorable && !isStaleAlready && !run.isTainted && !load.isTainted) {
      this.#outdate(load)
    } else if (load.isSuperseded) {
      // A newer load has taken its place. Results made of it may be kept, and no longer than it would have been.
      this.#limit(request, load, outcome)
    }
    return { outcome: answer, freshness: verdict() }
  }

  /** A value that can be read only once is an error of its load; one that can't be looked at may not be kept. */
  #checkReusable({ table, id }: Flight, loaded: Outcome): { outcome: Outcome; isWhole: boolean } {
    const { isError, value } = loaded
    if (isError || typeof value !== "object" || value === null) return { outcome: loaded, isWhole: true }
    try {
      assertReusable(value)
      return { outcome: loaded, isWhole: true }
    } catch (error) {
      const key = table.keyOf(id)
      if (isA(error, UncacheableValueError)) {
        return {
          outcome: { isError: true, value: new UncacheableValueError(error.kind, key, error.reason) },
          isWhole: true,
        }
      }
      this.#options.outbox.fault(new HookError("isolation", key, error), key)
      return { outcome: loaded, isWhole: false }
    }
  }

  /** False where `depsOf` failed, so that nobody knows what the value depends on. */
  #addResultDependencies(load: Load, request: LoadRequest, value: unknown): boolean {
    const { depsOf } = request.definition.hooks
    if (depsOf === undefined) return true
    const acquired: TagNode[] = []
    try {
      const tags = depsOf.call(request.self, value, ...request.args)
      if (!isStringArray(tags)) throw new InvalidOptionError("depsOf", tags, "it must return an array of tags")
      for (const tag of tags) acquired.push(request.definition.scope.acquire(tag))
      load.ownDependencies = [...load.ownDependencies, ...acquired]
      return true
    } catch (error) {
      for (const node of acquired) this.#options.trie.release(node)
      this.#hookFailed("depsOf", load, error)
      return false
    }
  }

  /** Whether a load could be kept if it settled now. */
  freshnessOf(load: Load): Freshness {
    const { trie } = this.#options
    if (load.isSuperseded || load.stamp.asOf < trie.forgotten) return "stale"
    return freshnessWithKey(load, trie)
  }

  /** Whether a load's result may go to callers that it did not begin after, where this process is unsure. */
  isYoungEnough(load: Load): boolean {
    const { trie, turn, settings } = this.#options
    if (trie.trusted !== null) return true
    return turn.current() - load.run.oldestMs < settings.stalenessBoundMs
  }

  /** The value in the form in which callers get it; not whole where that failed, so that it may not be kept. */
  #isolate(flight: Flight, definition: Definition, value: unknown): { value: unknown; isWhole: boolean } {
    try {
      const isolated = isolate(value, definition.behaviour.isolation)
      flight.table.counters.shared += isolated.sharedCount
      return { value: isolated.value, isWhole: true }
    } catch (error) {
      const key = flight.table.keyOf(flight.id)
      this.#options.outbox.fault(new HookError(`isolation: "${definition.behaviour.isolation}"`, key, error), key)
      return { value, isWhole: false }
    }
  }

  /** How long a value that is not kept would have been. */
  #limit(request: LoadRequest, load: Load, outcome: Outcome): void {
    const behaviour = behaviourOf(request.definition.behaviour, load.run)
    const { settings, turn } = this.#options
    const nowMs = turn.current()
    try {
      const ttlMs = ttlOf(request, load, outcome)
      const aged = agingOf(ttlMs, behaviour, nowMs, settings.random, load.run.latestExpiryMs)
      load.expiryMs = aged === undefined ? nowMs : expiryOf(aged)
    } catch (error) {
      load.expiryMs = nowMs
      this.#hookFailed("ttl", load, error)
    }
  }

  /** Stores a value in every tier, or in none. Gives the error that callers get instead of it, in strict mode. */
  #keep(request: LoadRequest, load: Load, outcome: Outcome): ZooCacheError | undefined {
    const { value } = outcome
    const { entries, shared, encoder, running } = this.#options
    writeOutStack(value)
    const { definition, id } = request
    const { table } = definition
    const behaviour = behaviourOf(definition.behaviour, load.run)
    const asked = this.#askHooks(request, load, outcome)
    if (asked === undefined) return undefined
    if (asked.aged === undefined) {
      this.#outdate(load)
      return undefined
    }
    // Before all else: whatever becomes of the value here, what was made of it must not outlive it.
    load.expiryMs = expiryOf(asked.aged)
    const { stamp, keyVersion } = load
    const staysHere = staysInMemory(behaviour, load.run)
    let bytes: Uint8Array | undefined
    try {
      const { dependencies } = load
      if (!staysHere) bytes = encoder?.encode(value, { table, id, dependencies, stamp, keyVersion, aged: asked.aged })
    } catch (error) {
      this.#outdate(load)
      return this.#unencodable(table.keyOf(id), error)
    }
    const freshness = this.freshnessOf(load)
    if (freshness === "stale") {
      table.counters.staleLoads += 1
      return undefined
    }
    const aged = this.#agedAs(freshness, asked.aged, behaviour)
    if (aged === undefined) {
      this.#outdate(load)
      return undefined
    }
    running.supersedeOlder(load)
    if (bytes !== undefined && aged.aging !== null) shared?.writes.noteWritten(aged.aging, rankOf(load))
    const isCloned = behaviour.isolation === "clone"
    const { isSecret, sources } = load.run
    const rare = isCloned || isSecret || sources !== null ? rareOf({ isCloned, isSecret, sources }) : null
    const { weight } = asked
    const { dependencies, startedAtMs: bornMs } = load
    entries.store({ table, id, value, dependencies, loadedAt: stamp.asOf, aged, rare, weight, bornMs })
    // An older load's entry in the store would outlive this one there.
    if (staysHere && behaviour.tiers === "all") shared?.writes.remove(table.keyOf(id), rankOf(load))
    if (bytes !== undefined) load.written = shared?.writes.put(table.keyOf(id), bytes)
    return undefined
  }

  /** The age with which a result begins; undefined where it is over at once. */
  #agedAs(freshness: Freshness, aged: Aged, { graceMs, isolation }: Behaviour): Aged | undefined {
    let begins = aged
    if (freshness === "expired") {
      // A soft invalidation overlapped the load: its result begins its life expired, of use only to those with grace.
      if (graceMs === 0) return undefined
      const aging = expiredAging(aged, this.#options.turn.current())
      begins = { aging, deadlineMs: deadlineOf(aging) }
    }
    return isolation === "clone" ? lookedAtAlways(begins) : begins
  }

  /** The answers of the hooks that look at a value; undefined where one failed. Without an age it is not to be kept. */
  #askHooks(
    request: LoadRequest,
    load: Load,
    outcome: Outcome,
  ): { readonly aged: Aged | undefined; readonly weight: number } | undefined {
    const { value, isAbsent } = outcome
    const { entries, settings, turn } = this.#options
    const { table, hooks } = request.definition
    const behaviour = behaviourOf(request.definition.behaviour, load.run)
    let hook = "cacheIf"
    try {
      if (hooks.cacheIf !== undefined && isAbsent !== true) {
        if (!hooks.cacheIf.call(request.self, value, ...request.args)) return { aged: undefined, weight: 0 }
      }
      hook = "ttl"
      const ttlMs = ttlOf(request, load, outcome)
      hook = "sizeOf"
      const weight = entries.weigh(table, request.id, value, hooks.sizeOf)
      const { latestExpiryMs } = load.run
      return { aged: agingOf(ttlMs, behaviour, turn.current(), settings.random, latestExpiryMs), weight }
    } catch (error) {
      this.#hookFailed(hook, load, error)
      return undefined
    }
  }

  /** A value that a shared tier can't bring back as it was is kept nowhere. In strict mode its callers hear of it. */
  #unencodable(key: string, error: unknown): ZooCacheError | undefined {
    const refusal = asStoreError("encode", error)
    if (this.#options.settings.strict && !(refusal instanceof EntryTooLargeError)) return refusal
    this.#options.outbox.fault(refusal, key)
    return undefined
  }

  /**
   * A result that its function does not want kept is still the newest word on its key: what older loads left, or will
   * bring, is not served any more. Results made of it may not be kept either.
   */
  #outdate(load: Load): void {
    const { table } = load
    load.expiryMs = this.#options.turn.current()
    // A hook has had a newer word said.
    if (this.freshnessOf(load) === "stale") return
    this.#options.running.supersedeOlder(load)
    const previous = table.entries.get(load.id)
    if (previous !== undefined) this.#options.entries.remove(previous)
    this.#options.shared?.writes.remove(table.keyOf(load.id), rankOf(load))
  }

  #keepError(flight: Flight, request: LoadRequest, load: Load, error: unknown): void {
    const { entries, running, turn } = this.#options
    const { cacheErrors } = request.definition.hooks
    const { table, id } = flight
    if (cacheErrors === undefined || cacheErrors === false || entries.tier === undefined) return
    const previous = table.entries.get(id)
    // A value that may still be served in grace is worth more than the error.
    if (previous !== undefined && !previous.isError && entries.isServable(previous)) return
    let durationMs: number
    try {
      const duration =
        typeof cacheErrors === "function" ? cacheErrors.call(request.self, error, ...request.args) : cacheErrors
      if (duration === false) return
      durationMs = parseDuration(duration, "cacheErrors")
      writeOutStack(error)
    } catch (fault) {
      this.#hookFailed("cacheErrors", load, fault)
      return
    }
    if (durationMs <= 0) return
    const failures = request.failures + 1
    const nowMs = turn.current()
    const expiresAtMs = Math.min(
      nowMs + durationMs * 2 ** Math.min(failures - 1, LONGEST_BACK_OFF),
      load.run.latestExpiryMs,
    )
    // An error that an expiry overlapped would begin its life expired, and errors have no grace.
    if (expiresAtMs <= nowMs || this.freshnessOf(load) !== "fresh") return
    load.expiryMs = expiresAtMs
    const aging = lookedAtAlways({ deadlineMs: expiresAtMs, aging: null }).aging as Aging
    running.supersedeOlder(load)
    entries.store({
      table,
      id,
      value: error,
      dependencies: load.dependencies,
      loadedAt: load.stamp.asOf,
      // Kept for as long again without being served, so that the next failure knows that it is not the first.
      aged: { deadlineMs: ALWAYS, aging: { ...aging, graceMs: expiresAtMs - nowMs } },
      rare: rareOf({ isError: true, isSecret: load.run.isSecret, failures }),
      weight: entries.weighError(id, error),
      bornMs: load.startedAtMs,
    })
  }

  #hookFailed(hook: string, load: Load, error: unknown): void {
    const key = load.table.keyOf(load.id)
    this.#options.outbox.fault(asHookError(hook, key, error), key)
  }
}

/** Whether users' hooks look at results of a function: they are part of its load. */
export function looksAtResults({ hooks }: Definition, { memory }: CacheSettings): boolean {
  const { depsOf, ttl, cacheIf, cacheErrors, sizeOf } = hooks
  if (depsOf !== undefined || ttl !== undefined || cacheIf !== undefined || sizeOf !== undefined) return true
  return typeof cacheErrors === "function" || (memory !== false && memory.sizeOf !== undefined)
}

/**
 * Has the stack of an error made into text. Until somebody reads it, V8 keeps the functions that were running, and with them
 * the arguments and the request of the call for which the error was made.
 */
function writeOutStack(value: unknown): void {
  try {
    if (value instanceof Error) void value.stack
  } catch {
    // `Error.prepareStackTrace` is user code, and so is the trap of a proxy that is asked for its prototype.
  }
}

/** The place of a load's result among the entries of its key. */
function rankOf({ stamp, keyVersion }: Load): Rank {
  return { epoch: stamp.epoch, asOf: stamp.asOf, keyVersion: keyVersion ?? stamp.asOf }
}

/** How long a result may live: as the code inside said, or its function. Throws what the hook throws. */
function ttlOf({ definition, self, args }: LoadRequest, { run }: Load, { value, isAbsent }: Outcome): number {
  const { hooks, behaviour } = definition
  if (run.ttlMs !== undefined) return run.ttlMs
  if (hooks.ttl === undefined || isAbsent === true) return behaviour.ttlMs
  return parseDuration(hooks.ttl.call(self, value, ...args), "ttl")
}
