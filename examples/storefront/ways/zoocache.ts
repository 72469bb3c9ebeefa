import { createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import type { Shop } from "../shop.js"
import { MAX_ENTRIES, type Way } from "./way.js"

export interface ZoocacheOptions {
  readonly sabotage?: boolean
  readonly sharedPath?: string | undefined
}

/**
 * Readers say what a result depends on, writers say what changed. Nobody needs to know who shows what: the home page
 * names no tag at all, it depends on whatever the pages in it depend on.
 *
 * With a path, entries and invalidations are shared by all processes that give the same one; nothing else changes.
 */
export function zoocache(shop: Shop, { sabotage = false, sharedPath }: ZoocacheOptions = {}) {
  const memory = { maxEntries: MAX_ENTRIES }
  const cache = createCache(sharedPath === undefined ? { memory } : { memory, backend: lmdb({ path: sharedPath }) })

  const product = cache.cacheable(shop.product, {
    name: "product",
    deps: (id) => [`product:${id}`],
  })
  const category = cache.cacheable(shop.category, {
    name: "category",
    deps: (id) => [`category:${id}`],
    depsOf: (page) => page.products.map(({ id }) => `product:${id}`),
  })
  const home = cache.cacheable(() => shop.home({ product, category }), { name: "home" })

  const invalidate = async (...tags: string[]) => {
    // `--sabotage`: the mistake that the run must find.
    if (!sabotage) await cache.invalidate(...tags)
  }

  return {
    product,
    category,
    home,
    changePrice: async (id, priceCents) => {
      const written = await shop.changePrice(id, priceCents)
      await invalidate(`product:${id}`)
      return written
    },
    move: async (id, categoryId) => {
      const written = await shop.move(id, categoryId)
      await invalidate(`product:${id}`, ...written.categories.map((category) => `category:${category.id}`))
      return written
    },
    ready: () => cache.ready(),
    lookups: () => {
      const { hits, misses } = cache.stats()
      return { hits, misses }
    },
    close: () => cache.close(),
  } satisfies Way & { close(): Promise<void> }
}
