import type { CategoryPage, HomePage, Product, Written } from "../shop.js"

/** What a write changed. With a token: whoever presents it to any server is shown this write, or a later one. */
export type Change = Written & { readonly token?: string | undefined }

/** One way to serve the shop. A write resolves when it may be acknowledged to whoever made it. */
export interface Way {
  product(id: number): Promise<Product>
  category(id: number): Promise<CategoryPage>
  home(): Promise<HomePage>
  changePrice(id: number, priceCents: number): Promise<Change>
  move(id: number, categoryId: number): Promise<Change>
  /** Resolves when what these tokens stand for is known here; rejects when that takes too long. */
  sync?(tokens: readonly string[]): Promise<void>
  /** Resolves when it is ready to serve; until then it would only be slow. */
  ready?(): Promise<void>
  /** Look-ups since the start, those on behalf of the home page included; undefined without a cache. */
  lookups(): { readonly hits: number; readonly misses: number } | undefined
}

/** Names the tokens of writes: in the answer to a write its own, with a read all that the visitor knows of. */
export const TOKEN_HEADER = "x-cache-token"

export const WAYS = ["no cache", "TTL cache", "zoocache"] as const

export type WayName = (typeof WAYS)[number]

/** More than enough for what is visited, and the same for both caches. */
export const MAX_ENTRIES = 50_000
