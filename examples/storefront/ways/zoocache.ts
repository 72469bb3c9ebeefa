import { type CacheOptions, createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { redis } from "zoocache/redis"
import type { Shop } from "../shop.js"
import { MAX_ENTRIES, type Way } from "./way.js"

export interface ZoocacheOptions {
  readonly sabotage?: boolean
  readonly sharedPath?: string | undefined
  readonly redisUrl?: string | undefined
}

/**
 * Readers say what a result depends on, writers say what changed. Nobody needs to know who shows what: the home page
 * names no tag at all, it depends on whatever the pages in it depend on.
 */
export function zoocache(shop: Shop, { sabotage = false, ...where }: ZoocacheOptions = {}) {
  const cache = createCache({ memory: { maxEntries: MAX_ENTRIES }, ...sharing(where) })

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

  // `--sabotage`: the mistake that the run must find.
  const invalidate = async (...tags: string[]) => (sabotage ? undefined : await cache.invalidate(...tags))

  return {
    product,
    category,
    home,
    changePrice: async (id, priceCents) => {
      const written = await shop.changePrice(id, priceCents)
      const token = await invalidate(`product:${id}`)
      return { ...written, token }
    },
    move: async (id, categoryId) => {
      const written = await shop.move(id, categoryId)
      const tags = written.categories.map((category) => `category:${category.id}`)
      const token = await invalidate(`product:${id}`, ...tags)
      return { ...written, token }
    },
    // With Redis the other processes hear of a write within moments. Who is shown its token knows of it at once.
    sync: async (tokens) => {
      await Promise.all(tokens.map((token) => cache.sync(token, { timeout: "1s" })))
    },
    ready: () => cache.ready(),
    lookups: () => {
      const { hits, misses } = cache.stats()
      return { hits, misses }
    },
    close: () => cache.close(),
  } satisfies Way & { close(): Promise<void> }
}

/** With a path or a url, entries and invalidations are shared by all processes that give the same one. */
function sharing({ sharedPath, redisUrl }: ZoocacheOptions): CacheOptions {
  // A writer hears soon when Redis is away, and that it may not count on its write being seen.
  if (redisUrl !== undefined) return { backend: redis({ url: redisUrl }), ackTimeout: "2s" }
  if (sharedPath !== undefined) return { backend: lmdb({ path: sharedPath }) }
  return {}
}
