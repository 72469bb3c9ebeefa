import { currentFrame } from "./frame.js"
import { type CurrentLoad, runOf } from "./run.js"

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

/** The handle of a loader where nothing is cached: there is nothing to say. */
export function detachedLoad(key: string): CurrentLoad {
  const nothing = () => {}
  return {
    key,
    signal: new AbortController().signal,
    addDeps: nothing,
    setTtl: nothing,
    set: nothing,
    skipStore: nothing,
  }
}
