/** The tables and what is in them. The same seed makes the same shop. */
import type { Database } from "./database.js"
import { pick, type Random, seededRandom, shuffledNumbers, wholeNumber } from "./random.js"

export interface Catalogue {
  readonly products: number
  readonly categories: number
  /** Ids of products, the most visited first. Categories are visited in the order of their ids. */
  readonly byPopularity: readonly number[]
}

// Every row that changes has a version, which goes up in the statement that changes the row: that is what the check for
// stale responses compares. A category changes when a product enters or leaves it.
const TABLES = [
  "create table brands (id int primary key, name text not null)",
  "create table categories (id int primary key, name text not null, version int not null default 1)",
  `create table products (
     id int primary key,
     name text not null,
     brand_id int not null,
     category_id int not null,
     price_cents int not null,
     popularity int not null,
     version int not null default 1
   )`,
]

const INDEXES = [
  "create index on products (category_id, popularity desc)",
  "create index on products (popularity desc)",
]

/** About 500 products in each. */
export function categoriesFor(products: number): number {
  return Math.max(8, Math.round(products / 500))
}

export async function createCatalogue(db: Database, products: number, seed: number): Promise<Catalogue> {
  const random = seededRandom(seed)
  const categories = categoriesFor(products)
  const brands = 120
  const byPopularity = shuffledNumbers(random, products)
  const popularity = new Int32Array(products + 1)
  for (const [rank, id] of byPopularity.entries()) popularity[id] = products - rank

  for (const table of TABLES) await db.query(table)
  await copy(db, "brands (id, name)", brands, (id) => [id, brandName(id)])
  await copy(db, "categories (id, name)", categories, (id) => [id, categoryName(id)])
  await copy(db, "products (id, name, brand_id, category_id, price_cents, popularity)", products, (id) => [
    id,
    productName(random),
    1 + wholeNumber(random, brands),
    1 + wholeNumber(random, categories),
    randomPrice(random),
    popularity[id] as number,
  ])
  for (const index of INDEXES) await db.query(index)
  await db.query("create table original as select id, category_id, price_cents from products")
  await db.query("alter table original add primary key (id)")
  await db.query("vacuum analyze")
  return { products, categories, byPopularity }
}

/** Puts everything back to how it was created. */
export async function resetCatalogue(db: Database): Promise<void> {
  await db.query(
    `update products p set category_id = o.category_id, price_cents = o.price_cents, version = 1
     from original o where o.id = p.id and p.version > 1`,
  )
  await db.query("update categories set version = 1 where version > 1")
  await db.query("vacuum analyze products")
  await db.query("vacuum analyze categories")
}

/** 0.99 to 499.99, more cheap things than dear ones. */
export function randomPrice(random: Random): number {
  return Math.floor(random() ** 2 * 500) * 100 + 99
}

type Cell = string | number

async function copy(db: Database, target: string, rows: number, row: (id: number) => readonly Cell[]): Promise<void> {
  const lines: string[] = []
  for (let id = 1; id <= rows; id += 1) lines.push(row(id).join("\t"))
  await db.query(`copy ${target} from '/dev/blob'`, [], `${lines.join("\n")}\n`)
}

const ROOMS = ["Kitchen", "Garden", "Office", "Bath", "Workshop", "Travel", "Nursery", "Studio", "Terrace", "Cellar"]
const SHELVES = ["Tools", "Lights", "Textiles", "Storage", "Furniture", "Gifts", "Care", "Decoration", "Appliances"]
const LOOKS = ["Copper", "Oak", "Linen", "Enamel", "Folding", "Quiet", "Tall", "Woven", "Brushed", "Pocket", "Amber"]
const THINGS = ["Kettle", "Lamp", "Stool", "Basket", "Clock", "Teapot", "Shelf", "Blanket", "Scale", "Radio", "Tray"]
const SYLLABLES = ["ka", "ro", "mi", "lun", "ta", "vel", "no", "sa", "dor", "fin", "ba", "lis"]

function productName(random: Random): string {
  return `${pick(random, LOOKS)} ${pick(random, THINGS)} ${100 + wholeNumber(random, 900)}`
}

function categoryName(id: number): string {
  const room = ROOMS[(id - 1) % ROOMS.length] as string
  const shelf = SHELVES[Math.floor((id - 1) / ROOMS.length) % SHELVES.length] as string
  const series = Math.floor((id - 1) / (ROOMS.length * SHELVES.length))
  return series === 0 ? `${room} ${shelf}` : `${room} ${shelf} ${series + 1}`
}

function brandName(id: number): string {
  const syllable = (at: number) => SYLLABLES[at % SYLLABLES.length] as string
  const name = syllable(id) + syllable(Math.floor(id / SYLLABLES.length) + id * 5)
  return name.charAt(0).toUpperCase() + name.slice(1)
}
