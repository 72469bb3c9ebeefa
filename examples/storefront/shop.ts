/** What the shop asks its database and what it answers. Nothing here knows of a cache. */
import type { Database } from "./database.js"

export interface Product {
  readonly id: number
  readonly name: string
  readonly brand: string
  readonly categoryId: number
  readonly category: string
  readonly priceCents: number
  readonly version: number
}

/** A product as category pages and the home page list it. */
export type Listed = Pick<Product, "id" | "name" | "brand" | "priceCents" | "version">

export interface CategoryPage {
  readonly id: number
  readonly name: string
  readonly version: number
  readonly count: number
  readonly brands: readonly { readonly name: string; readonly count: number }[]
  /** The most popular ones, at most `PAGE_LENGTH`. */
  readonly products: readonly Listed[]
}

export interface HomePage {
  readonly bestsellers: readonly Product[]
  /** Each with its first `SHELF_LENGTH` products. */
  readonly shelves: readonly Pick<CategoryPage, "id" | "name" | "version" | "products">[]
}

/** The rows that a write changed, each with its new version. */
export interface Written {
  readonly product: { readonly id: number; readonly version: number }
  readonly categories: readonly { readonly id: number; readonly version: number }[]
}

export class NotFoundError extends Error {}

export const PAGE_LENGTH = 20
export const SHELF_LENGTH = 5
const SHELVES = 4
const BESTSELLERS = 6

/** What the home page is put together from: the same pages that visitors can open. */
export interface Pages {
  readonly product: (id: number) => Promise<Product>
  readonly category: (id: number) => Promise<CategoryPage>
}

export interface Shop extends Pages {
  readonly home: (pages: Pages) => Promise<HomePage>
  readonly changePrice: (id: number, priceCents: number) => Promise<Written>
  /** `categories` are the one it left and the one it entered. */
  readonly move: (id: number, categoryId: number) => Promise<Written>
}

export function createShop(db: Database): Shop {
  return {
    product: async (id) => {
      const [product] = await db.query<Product>(
        `select p.id, p.name, b.name as brand, c.id as "categoryId", c.name as category,
                p.price_cents as "priceCents", p.version
         from products p join brands b on b.id = p.brand_id join categories c on c.id = p.category_id
         where p.id = $1`,
        [id],
      )
      return found(product, `product ${id}`)
    },

    category: async (id) => {
      const [head] = await db.query<Omit<CategoryPage, "products">>(
        `select c.id, c.name, c.version,
                (select count(*)::int from products p where p.category_id = c.id) as count,
                (select json_agg(top) from (
                   select b.name, count(*)::int as count
                   from products p join brands b on b.id = p.brand_id
                   where p.category_id = c.id group by b.name order by count desc, b.name limit 5
                 ) top) as brands
         from categories c where c.id = $1`,
        [id],
      )
      const products = await db.query<Listed>(
        `select p.id, p.name, b.name as brand, p.price_cents as "priceCents", p.version
         from products p join brands b on b.id = p.brand_id
         where p.category_id = $1 order by p.popularity desc limit ${PAGE_LENGTH}`,
        [id],
      )
      return { ...found(head, `category ${id}`), products }
    },

    home: async ({ product, category }) => {
      const [front] = await db.query<{ categories: number[]; bestsellers: number[] }>(
        `select array(select id from categories order by id limit ${SHELVES}) as categories,
                array(select id from products order by popularity desc limit ${BESTSELLERS}) as bestsellers`,
      )
      const { categories, bestsellers } = found(front, "home page")
      const [pages, products] = await Promise.all([
        Promise.all(categories.map((id) => category(id))),
        Promise.all(bestsellers.map((id) => product(id))),
      ])
      return {
        bestsellers: products,
        shelves: pages.map(({ id, name, version, products }) => {
          return { id, name, version, products: products.slice(0, SHELF_LENGTH) }
        }),
      }
    },

    changePrice: async (id, priceCents) => {
      const [product] = await db.query<Written["product"]>(
        "update products set price_cents = $2, version = version + 1 where id = $1 returning id, version",
        [id, priceCents],
      )
      return { product: found(product, `product ${id}`), categories: [] }
    },

    move: async (id, categoryId) => {
      const [written] = await db.query<Written>(
        `with before as (
           select id, category_id from products where id = $1 for update
         ), moved as (
           update products p set category_id = $2, version = p.version + 1
           from before where p.id = before.id returning p.id, p.version
         ), touched as (
           update categories c set version = c.version + 1
           from before where c.id in (before.category_id, $2) returning c.id, c.version
         )
         select (select row_to_json(moved) from moved) as product, (select json_agg(touched) from touched) as categories
         from moved`,
        [id, categoryId],
      )
      return found(written, `product ${id}`)
    },
  }
}

function found<T>(row: T | undefined, what: string): T {
  if (row === undefined) throw new NotFoundError(`There is no ${what}.`)
  return row
}
