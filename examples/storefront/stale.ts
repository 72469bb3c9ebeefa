/**
 * Looks for stale responses, from outside: it reads the database over its own connection and knows nothing of any cache.
 *
 * A response is stale if it shows a row older than a change that was acknowledged to its writer before the request for
 * the response was sent. "Acknowledged": the client that wrote has the server's answer in hand, so the transaction has
 * been committed and the cache has been told whatever it is told.
 *
 * How that is decided. Each row that changes has a version in the database, and every response carries the versions of
 * the rows that it shows. After each response the check reads those rows from the database:
 *
 * - the same version: the response is current, and what it shows (price, category, the order of a page) must be exactly
 *   what the database has;
 * - an older version: some change is missing. If one of the missing ones had been acknowledged before the request was
 *   sent, the response is stale. If none had, change and read overlapped, and either state was a right answer;
 * - a newer version does not exist.
 *
 * A write that was answered with 503, or not at all, may have changed rows all the same. It has no acknowledgement, so a
 * response without it is as right as one with it.
 */
import type { Database } from "./database.js"
import {
  type CategoryPage,
  type HomePage,
  type Listed,
  PAGE_LENGTH,
  type Product,
  SHELF_LENGTH,
  type Written,
} from "./shop.js"

/** When a request was sent: after which acknowledgements. */
export interface Sent {
  readonly acknowledgements: number
  readonly atMs: number
}

export interface Verdict {
  readonly checked: number
  readonly stale: number
  /** For how long a change had been acknowledged when a request was sent whose response still lacked it; the longest. */
  readonly worstMs: number
  /** That one in words. */
  readonly worst: string | undefined
  /** A response that contradicts the database otherwise. There should be no way to get one. */
  readonly contradiction: string | undefined
}

interface ShownProduct {
  readonly id: number
  readonly version: number
  readonly priceCents: number
  readonly categoryId?: number
}

interface ShownCategory {
  readonly id: number
  readonly version: number
  readonly products: readonly number[]
  readonly length: number
}

/** What a response says of rows that can change. */
export interface Shown {
  readonly products: readonly ShownProduct[]
  readonly categories: readonly ShownCategory[]
}

export function shownByProduct(product: Product): Shown {
  return { products: [product], categories: [] }
}

export function shownByCategory(page: Pick<CategoryPage, "id" | "version" | "products">, length = PAGE_LENGTH): Shown {
  const products = page.products.map((product: Listed) => ({ ...product, categoryId: page.id }))
  return {
    products,
    categories: [{ id: page.id, version: page.version, products: products.map(({ id }) => id), length }],
  }
}

export function shownByHome(home: HomePage): Shown {
  const parts = [
    ...home.bestsellers.map((product) => shownByProduct(product)),
    ...home.shelves.map((shelf) => shownByCategory(shelf, SHELF_LENGTH)),
  ]
  return { products: parts.flatMap((part) => part.products), categories: parts.flatMap((part) => part.categories) }
}

/** How the database has the rows that were shown. */
interface Truth {
  readonly products: ReadonlyMap<number, { version: number; priceCents: number; categoryId: number }>
  readonly categories: ReadonlyMap<number, { version: number; products: readonly number[] }>
}

interface Response {
  readonly path: string
  readonly sent: Sent
  readonly shown: Shown
}

interface Acknowledgement {
  readonly version: number
  readonly order: number
  readonly atMs: number
}

/** A row of a response that is not as it should be. */
interface Finding {
  readonly text: string
  readonly lateMs: number
}

export class StaleCheck {
  readonly #db: Pick<Database, "query">
  /** Per row, in the order in which they came in. */
  readonly #acknowledged = new Map<string, Acknowledgement[]>()
  #acknowledgements = 0
  #waiting: Response[] = []
  #running: Promise<void> | undefined
  #checked = 0
  #stale = 0
  #worstMs = 0
  #worst: string | undefined
  #contradiction: string | undefined

  constructor(db: Pick<Database, "query">) {
    this.#db = db
  }

  /** To be called right before a request is sent. */
  sent(): Sent {
    return { acknowledgements: this.#acknowledgements, atMs: performance.now() }
  }

  /** The answer to a write is there. */
  acknowledged({ product, categories }: Written): void {
    this.#acknowledgements += 1
    const atMs = performance.now()
    const add = (row: string, version: number) => {
      const known = this.#acknowledged.get(row) ?? []
      known.push({ version, order: this.#acknowledgements, atMs })
      this.#acknowledged.set(row, known)
    }
    add(`product ${product.id}`, product.version)
    for (const category of categories) add(`category ${category.id}`, category.version)
  }

  /** The answer to a read is there. It is checked at once, together with those that come in while the database is asked. */
  received(path: string, sent: Sent, shown: Shown): void {
    this.#waiting.push({ path, sent, shown })
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves when everything received so far has been checked; rejects if that was not possible. */
  async verdict(): Promise<Verdict> {
    while (this.#running !== undefined) await this.#running
    return {
      checked: this.#checked,
      stale: this.#stale,
      worstMs: this.#worstMs,
      worst: this.#worst,
      contradiction: this.#contradiction,
    }
  }

  get stale(): number {
    return this.#stale
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const responses = this.#waiting
      this.#waiting = []
      const truth = await this.#readTruth(responses)
      for (const response of responses) this.#judge(response, truth)
    }
  }

  /** In one statement, so that all of it is of one moment. */
  async #readTruth(responses: readonly Response[]): Promise<Truth> {
    const products = new Set(responses.flatMap(({ shown }) => shown.products.map(({ id }) => id)))
    const categories = new Set(responses.flatMap(({ shown }) => shown.categories.map(({ id }) => id)))
    type Row = { products: [number, number, number, number][]; categories: [number, number, number[]][] }
    const [row] = await this.#db.query<Row>(
      `select (select coalesce(json_agg(json_build_array(id, version, price_cents, category_id)), '[]')
               from products where id = any($1)) as products,
              (select coalesce(json_agg(json_build_array(c.id, c.version, array(
                 select p.id from products p where p.category_id = c.id order by p.popularity desc limit ${PAGE_LENGTH}
               ))), '[]') from categories c where c.id = any($2)) as categories`,
      [[...products], [...categories]],
    )
    return {
      products: new Map(
        row?.products.map(([id, version, priceCents, categoryId]) => [id, { version, priceCents, categoryId }]),
      ),
      categories: new Map(row?.categories.map(([id, version, ids]) => [id, { version, products: ids }])),
    }
  }

  #judge(response: Response, truth: Truth): void {
    const { path, sent, shown } = response
    this.#checked += 1
    let worst: Finding | undefined
    const judgeRow = (row: string, version: number, current: number | undefined, isAsInDatabase: () => boolean) => {
      if (version === current) {
        if (!isAsInDatabase()) this.#contradict(path, `${row} in version ${version} not as the database has it`)
        return
      }
      if (current === undefined || version > current) {
        this.#contradict(path, `${row} in version ${version}; the database has ${current ?? "no such row"}`)
        return
      }
      const missed = this.#missed(row, version, sent)
      if (missed === undefined) return
      const lateMs = sent.atMs - missed.atMs
      if (worst !== undefined && worst.lateMs >= lateMs) return
      const late = `acknowledged ${formatMs(lateMs)} before the request was sent`
      worst = {
        lateMs,
        text: `GET ${path} showed ${row} in version ${version}; version ${missed.version} had been ${late}`,
      }
    }

    for (const product of shown.products) {
      const now = truth.products.get(product.id)
      judgeRow(`product ${product.id}`, product.version, now?.version, () => {
        const isInCategory = product.categoryId === undefined || product.categoryId === now?.categoryId
        return product.priceCents === now?.priceCents && isInCategory
      })
    }
    for (const category of shown.categories) {
      const now = truth.categories.get(category.id)
      judgeRow(`category ${category.id}`, category.version, now?.version, () => {
        return String(category.products) === String(now?.products.slice(0, category.length))
      })
    }

    if (worst === undefined) return
    this.#stale += 1
    if (this.#worst !== undefined && this.#worstMs >= worst.lateMs) return
    this.#worstMs = worst.lateMs
    this.#worst = worst.text
  }

  /** The first change of a row beyond a version that had been acknowledged when a request was sent. */
  #missed(row: string, version: number, sent: Sent): Acknowledgement | undefined {
    return this.#acknowledged
      .get(row)
      ?.find((change) => change.version > version && change.order <= sent.acknowledgements)
  }

  #contradict(path: string, what: string): void {
    this.#contradiction ??= `GET ${path} showed ${what}`
  }
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`
}
