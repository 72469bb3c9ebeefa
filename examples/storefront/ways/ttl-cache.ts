import { LRUCache } from "lru-cache"
import type { CategoryPage, HomePage, Product, Shop } from "../shop.js"
import { MAX_ENTRIES, type Way } from "./way.js"

export const TTL_MS = 5000

/**
 * lru-cache with a short time to live and concurrent misses coalesced. Writers delete what they can name: the product,
 * and the two categories of a move. Which category pages show a product whose price changes, and that the home page
 * shows some of them, nobody remembers; the time to live is there for that.
 */
export function ttlCache(shop: Shop): Way {
  const products = createCache<number, Product>(shop.product)
  const categories = createCache<number, CategoryPage>(shop.category)
  const pages = { product: products.get, category: categories.get }
  const home = createCache<"home", HomePage>(() => shop.home(pages))
  return {
    ...pages,
    home: () => home.get("home"),
    changePrice: async (id, priceCents) => {
      const written = await shop.changePrice(id, priceCents)
      products.delete(id)
      return written
    },
    move: async (id, categoryId) => {
      const written = await shop.move(id, categoryId)
      products.delete(id)
      for (const category of written.categories) categories.delete(category.id)
      return written
    },
    lookups: () => {
      const hits = products.counts.hits + categories.counts.hits + home.counts.hits
      return { hits, misses: products.counts.misses + categories.counts.misses + home.counts.misses }
    },
  }
}

function createCache<Key extends number | string, Value extends object>(load: (key: Key) => Promise<Value>) {
  const counts = { hits: 0, misses: 0 }
  const lru = new LRUCache<Key, Value>({
    max: MAX_ENTRIES,
    ttl: TTL_MS,
    fetchMethod: load,
    // Without it, a delete during a load would fail the request that waits for it.
    ignoreFetchAbort: true,
  })
  return {
    counts,
    get: async (key: Key): Promise<Value> => {
      const status: LRUCache.Status<Key, Value> = {}
      const value = await lru.forceFetch(key, { status })
      if (status.fetch === "hit") counts.hits += 1
      else counts.misses += 1
      return value
    },
    delete: (key: Key) => lru.delete(key),
  }
}
