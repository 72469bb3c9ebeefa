import { ALWAYS, type Aging, agingOf, deadlineOf, expiredAging, expiryOf, lookedAtAlways } from "../entries/age.js"
import { parseDuration } from "../base/duration.js"
import type { Engine } from "../cache/engine.js"
import {
  EntryTooLargeError,
  HookError,
  InvalidOptionError,
  StoreError,
  UncacheableValueError,
  ZooCacheError,
} from "../base/errors.js"
import type { Flight } from "./flight.js"
import { type Freshness, freshnessOf } from "../tags/freshness.js"
import { assertReusable, cloneValue, freezeDeep } from "../values/isolation.js"
import type { Load } from "./running.js"
import { isStringArray } from "../options/settings.js"
import type { Order, Outcome } from "./request.js"
import type { Recipe } from "./recipe.js"
import type { Rank } from "../ports/store.js"
import type { TagNode } from "../tags/tag-node.js"

/** The back-off of errors that are kept doubles at most so many times. */
const LONGEST_BACK_OFF = 6

/** What a load comes to when it settles: what it depends on, whether its result may be kept, and in which form. */
export class Landing {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Applies the rule to what a load brought: what it depends on, whether it may be kept, and in which form. */
  conclude(flight: Flight, order: Order, load: Load, loaded: Outcome): { outcome: Outcome; freshness: Freshness } {
    const { recipe } = order
    const { run } = load
    let outcome = loaded
    let isWhole = true
    let isKeepable = run.isStorable && !run.isTainted && !flight.isPrivate
    if (!loaded.isError) {
      try {
        if (typeof loaded.value === "object" && loaded.value !== null) assertReusable(loaded.value)
      } catch (error) {
        isKeepable = false
        const key = flight.table.keyOf(flight.id)
        if (error instanceof UncacheableValueError) {
          outcome = { isError: true, value: new UncacheableValueError(error.kind, key) }
        } else {
          isWhole = false
          this.#engine.fault(new HookError("isolation", key, error), key)
        }
      }
    }
    const hasNoValue = outcome.isError || outcome.isAbsent === true
    const areDependenciesKnown = hasNoValue || this.#addResultDependencies(load, order, outcome.value)
    if (!areDependenciesKnown) {
      isKeepable = false
      load.isTainted = true
    }
    // Where dependencies are seen in the value only, those of a load without one can't be known.
    if (hasNoValue && recipe.hooks.depsOf !== undefined) load.isTainted = true
    const freshness = areDependenciesKnown ? this.freshnessOf(load) : "stale"
    if (flight.isPrivate) load.isTainted = true
    if (freshness === "stale" && isKeepable) flight.table.counters.staleLoads += 1
    if (freshness === "stale") isKeepable = false
    if (outcome.isError) {
      flight.table.counters.loadErrors += 1
      // An error that an expiry overlapped would begin its life expired, and errors have no grace.
      if (isKeepable && freshness === "fresh") this.#keepError(flight, order, load, outcome.value)
      return { outcome, freshness }
    }
    const { value } = outcome
    const isolated = isWhole ? this.#isolate(flight, recipe, value) : { value, isWhole }
    if (isKeepable && isolated.isWhole) {
      const refusal = this.#keep(order, load, { ...outcome, value: isolated.value }, freshness)
      if (refusal !== undefined) return { outcome: { isError: true, value: refusal }, freshness }
    } else if (!run.isStorable && freshness !== "stale" && !run.isTainted && !load.isTainted) {
      this.#outdate(load)
    } else if (load.isSuperseded) {
      // A newer load has taken its place. What was made of it may be kept, and no longer than it would have been.
      this.#limit(order, load, outcome)
    }
    return { outcome: { ...outcome, value: isolated.value }, freshness }
  }

  /** False where `depsOf` failed, so that nobody knows what the value depends on. */
  #addResultDependencies(load: Load, order: Order, value: unknown): boolean {
    const { depsOf } = order.recipe.hooks
    if (depsOf === undefined) return true
    const acquired: TagNode[] = []
    try {
      const tags = depsOf.call(order.self, value, ...order.args)
      if (!isStringArray(tags)) throw new InvalidOptionError("depsOf", tags, "it must return an array of tags")
      for (const tag of tags) acquired.push(order.recipe.scope.acquire(tag))
      load.ownDependencies = [...load.ownDependencies, ...acquired]
      return true
    } catch (error) {
      for (const node of acquired) this.#engine.trie.release(node)
      this.#hookFailed("depsOf", load, error)
      return false
    }
  }

  /** Whether a load could be kept if it settled now. */
  freshnessOf(load: Load): Freshness {
    const { trie } = this.#engine
    if (load.isSuperseded || load.stamp.asOf < trie.forgotten) return "stale"
    return freshnessOf(load, trie)
  }

  /** Whether a load's result may go to callers that it did not begin after, where this process is unsure. */
  isYoungEnough(load: Load): boolean {
    const engine = this.#engine
    if (engine.trie.trusted !== null) return true
    return engine.turn.current() - load.run.oldestMs < engine.settings.stalenessBoundMs
  }

  /** The value in the form in which callers get it; not whole where that failed, so that it may not be kept. */
  #isolate(flight: Flight, recipe: Recipe, value: unknown): { value: unknown; isWhole: boolean } {
    const { counters } = flight.table
    try {
      switch (recipe.behaviour.isolation) {
        case "freeze":
          if (typeof value === "object" && value !== null) counters.shared += freezeDeep(value)
          return { value, isWhole: true }
        case "clone":
          return { value: cloneValue(value), isWhole: true }
        case "share":
          return { value, isWhole: true }
      }
    } catch (error) {
      const key = flight.table.keyOf(flight.id)
      this.#engine.fault(new HookError(`isolation: "${recipe.behaviour.isolation}"`, key, error), key)
      return { value, isWhole: false }
    }
  }

  /** How long a value that is not kept would have been. */
  #limit(order: Order, load: Load, outcome: Outcome): void {
    const { behaviour } = order.recipe
    const { settings, turn } = this.#engine
    const nowMs = turn.current()
    try {
      const ttlMs = ttlOf(order, load, outcome)
      const aged = agingOf(ttlMs, behaviour, nowMs, settings.random, load.run.latestExpiryMs)
      load.expiryMs = aged === undefined ? nowMs : expiryOf(aged)
    } catch (error) {
      load.expiryMs = nowMs
      this.#hookFailed("ttl", load, error)
    }
  }

  /** Stores a value in every tier, or in none. Gives the error that callers get instead of it, in strict mode. */
  #keep(order: Order, load: Load, outcome: Outcome, freshness: Freshness): ZooCacheError | undefined {
    const { value, isAbsent } = outcome
    const engine = this.#engine
    const { recipe, id } = order
    const { table, hooks, behaviour } = recipe
    let ttlMs: number
    let weight: number
    let hook = "cacheIf"
    try {
      if (hooks.cacheIf !== undefined && isAbsent !== true && !hooks.cacheIf.call(order.self, value, ...order.args)) {
        this.#outdate(load)
        return undefined
      }
      hook = "ttl"
      ttlMs = ttlOf(order, load, outcome)
      hook = "sizeOf"
      weight = engine.weigh(table, id, value, isAbsent === true ? undefined : hooks.sizeOf)
    } catch (error) {
      this.#hookFailed(hook, load, error)
      return undefined
    }
    const nowMs = engine.turn.current()
    // Before all else: whatever becomes of the value here, what was made of it must not outlive it.
    let aged = agingOf(ttlMs, behaviour, nowMs, engine.settings.random, load.run.latestExpiryMs)
    if (aged === undefined) {
      this.#outdate(load)
      return undefined
    }
    load.expiryMs = expiryOf(aged)
    if (freshness === "expired") {
      // A soft invalidation overlapped the load: its result begins its life expired, of use only to those with grace.
      if (behaviour.graceMs === 0) {
        this.#outdate(load)
        return undefined
      }
      const aging = expiredAging(aged, nowMs)
      aged = { aging, deadlineMs: deadlineOf(aging) }
    }
    const isCloned = behaviour.isolation === "clone"
    if (isCloned) aged = lookedAtAlways(aged)
    const { dependencies, stamp, keyVersion } = load
    let bytes: Uint8Array | undefined
    try {
      bytes = engine.encode(value, { table, id, dependencies, stamp, keyVersion, aged })
    } catch (error) {
      this.#outdate(load)
      return this.#unencodable(table.keyOf(id), error)
    }
    table.supersedeOlder(load)
    if (bytes !== undefined) {
      if (aged.aging !== null) engine.shared?.noteWritten(aged.aging, rankOf(load))
      load.written = engine.shared?.put(table.keyOf(id), bytes)
    }
    engine.store({
      table,
      id,
      value,
      dependencies,
      aged,
      rare: isCloned ? { isCloned, isError: false, failures: 0, keyVersion: undefined, rivalVersion: 0 } : null,
      weight,
      bornMs: load.startedAtMs,
    })
    return undefined
  }

  /** What a shared tier can't bring back as it was is kept nowhere. In strict mode its callers hear of it. */
  #unencodable(key: string, error: unknown): ZooCacheError | undefined {
    const engine = this.#engine
    const refusal = error instanceof ZooCacheError ? error : new StoreError("encode", error)
    if (engine.settings.strict && !(refusal instanceof EntryTooLargeError)) return refusal
    engine.fault(refusal, key)
    return undefined
  }

  /**
   * A result that its function does not want kept is still the newest word on its key: what older loads left, or will
   * bring, is not served any more. What was made of it may not be kept either.
   */
  #outdate(load: Load): void {
    const { table } = load
    load.expiryMs = this.#engine.turn.current()
    table.supersedeOlder(load)
    const previous = table.entries.get(load.id)
    if (previous !== undefined) this.#engine.remove(previous)
    this.#engine.shared?.remove(table.keyOf(load.id), rankOf(load))
  }

  #keepError(flight: Flight, order: Order, load: Load, error: unknown): void {
    const engine = this.#engine
    const { cacheErrors } = order.recipe.hooks
    const { table, id } = flight
    if (cacheErrors === undefined || cacheErrors === false || engine.tier === undefined) return
    const previous = table.entries.get(id)
    // A value that may still be served in grace is worth more than the error.
    if (previous !== undefined && !previous.isError) return
    let durationMs: number
    let weight: number
    try {
      const duration =
        typeof cacheErrors === "function" ? cacheErrors.call(order.self, error, ...order.args) : cacheErrors
      if (duration === false) return
      durationMs = parseDuration(duration, "cacheErrors")
      weight = engine.weigh(table, id, undefined, undefined)
    } catch (fault) {
      this.#hookFailed("cacheErrors", load, fault)
      return
    }
    if (durationMs <= 0) return
    const failures = order.failures + 1
    const nowMs = engine.turn.current()
    const expiresAtMs = Math.min(
      nowMs + durationMs * 2 ** Math.min(failures - 1, LONGEST_BACK_OFF),
      load.run.latestExpiryMs,
    )
    if (expiresAtMs <= nowMs) return
    load.expiryMs = expiresAtMs
    const aging = lookedAtAlways({ deadlineMs: expiresAtMs, aging: null }).aging as Aging
    table.supersedeOlder(load)
    engine.store({
      table,
      id,
      value: error,
      dependencies: load.dependencies,
      // Kept for as long again without being served, so that the next failure knows that it is not the first.
      aged: { deadlineMs: ALWAYS, aging: { ...aging, graceMs: expiresAtMs - nowMs } },
      rare: { isError: true, isCloned: false, failures, keyVersion: undefined, rivalVersion: 0 },
      weight,
      bornMs: load.startedAtMs,
    })
  }

  #hookFailed(hook: string, load: Load, error: unknown): void {
    const key = load.table.keyOf(load.id)
    this.#engine.fault(error instanceof HookError ? error : new HookError(hook, key, error), key)
  }
}

/** Where a load's result stands among the entries of its key. */
function rankOf({ stamp, keyVersion }: Load): Rank {
  return { epoch: stamp.epoch, asOf: stamp.asOf, keyVersion: keyVersion ?? stamp.asOf }
}

/** How long a result may live: as the code inside said, or its function. Throws what the hook throws. */
function ttlOf({ recipe, self, args }: Order, { run }: Load, { value, isAbsent }: Outcome): number {
  const { hooks, behaviour } = recipe
  if (run.ttlMs !== undefined) return run.ttlMs
  if (hooks.ttl === undefined || isAbsent === true) return behaviour.ttlMs
  return parseDuration(hooks.ttl.call(self, value, ...args), "ttl")
}
