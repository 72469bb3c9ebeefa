import { currentFrame, runOf } from "./frame.js"
import { type Duration, parseDuration } from "../base/duration.js"
import type { Run } from "./run.js"
import type { Scope } from "../tags/scope.js"

/** The load that the running code is part of. After its end none of its methods does anything. */
export interface CurrentLoad {
  /** The public key; of a batch, the first. */
  readonly key: string
  /** Aborts when nobody waits for the result any more, and when the load has run into its hard timeout. */
  readonly signal: AbortSignal
  /** The result depends on these tags too. Throws `InvalidTagError`. */
  addDeps(...tags: string[]): void
  /** Overrides the ttl of this result. Throws `InvalidOptionError`. */
  setTtl(ttl: Duration): void
  /** Hands the result to its callers without keeping it. */
  skipStore(): void
}

export function currentLoadOf(run: Run, scope: Scope): CurrentLoad {
  return {
    get key() {
      const load = run.loads[0]
      return load === undefined ? "" : load.table.keyOf(load.id)
    },
    get signal() {
      return run.signal
    },
    addDeps(...tags) {
      for (const tag of tags) run.addAcquired(scope.acquire(tag))
    },
    setTtl(ttl) {
      if (!run.isSettled) run.ttlMs = parseDuration(ttl, "ttl")
    },
    skipStore() {
      if (!run.isSettled) run.isStorable = false
    },
  }
}

/** What a loader gets where nothing is cached: there is nothing to say. */
export function detachedLoad(key: string): CurrentLoad {
  const nothing = () => {}
  return { key, signal: new AbortController().signal, addDeps: nothing, setTtl: nothing, skipStore: nothing }
}

/**
 * The load that the running code is part of, of whichever cache; undefined outside of loaders.
 *
 * @example
 * const getPage = cache.cacheable(async (url: string) => fetchPage(url, { signal: currentLoad()?.signal }))
 */
export function currentLoad(): CurrentLoad | undefined {
  const run = runOf(currentFrame())
  return run === undefined || run.isSilent ? undefined : run.current
}

/**
 * Adds dependencies to the load that the running code is part of. Outside of one, or after its end, it does nothing.
 *
 * @throws InvalidTagError inside a load, for what is no tag.
 * @example
 * const getOrder = cache.cacheable(async (id: number) => {
 *   const order = await db.order(id)
 *   addDeps(tag`customer:${order.customerId}`)
 *   return order
 * })
 */
export function addDeps(...tags: string[]): void {
  currentLoad()?.addDeps(...tags)
}
