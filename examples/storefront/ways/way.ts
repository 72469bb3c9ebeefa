import type { CategoryPage, HomePage, Product, Written } from "../shop.js"

/** One way to serve the shop. A write resolves when it may be acknowledged to whoever made it. */
export interface Way {
  product(id: number): Promise<Product>
  category(id: number): Promise<CategoryPage>
  home(): Promise<HomePage>
  changePrice(id: number, priceCents: number): Promise<Written>
  move(id: number, categoryId: number): Promise<Written>
  /** Resolves when it is ready to serve; until then it would only be slow. */
  ready?(): Promise<void>
  /** Look-ups since the start, those on behalf of the home page included; undefined without a cache. */
  lookups(): { readonly hits: number; readonly misses: number } | undefined
}

export const WAYS = ["no cache", "TTL cache", "zoocache"] as const

export type WayName = (typeof WAYS)[number]

/** More than enough for what is visited, and the same for both caches. */
export const MAX_ENTRIES = 50_000
