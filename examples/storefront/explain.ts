/** The second part: what `explain` says of entries before and after a write. */
import type { Explanation } from "zoocache"
import { resetCatalogue } from "./catalogue.js"
import { Database, type DatabaseThread } from "./database.js"
import { createShop } from "./shop.js"
import { bold, cyan, dim, green, print, red, wrap, yellow } from "./terminal.js"
import { zoocache } from "./ways/zoocache.js"

export async function explainAWrite(database: DatabaseThread): Promise<void> {
  const db = new Database(database.connect())
  await resetCatalogue(db)
  const shop = zoocache(createShop(db))
  try {
    const first = await counted(db, shop.home)
    const [shelf, otherShelf] = first.value.shelves
    const shown = shelf?.products[0]
    if (shelf === undefined || otherShelf === undefined || shown === undefined)
      throw new Error("the home page is empty")
    // A product that the home page shows, because the page of its category does.
    const product = await shop.product(shown.id)

    const sayAll = () => {
      say(`product(${product.id})`, shop.product.explain(product.id))
      say(`category(${shelf.id})`, shop.category.explain(shelf.id))
      say(`category(${otherShelf.id})`, shop.category.explain(otherShelf.id))
      say("home()", shop.home.explain())
      print()
    }

    print(
      `  The home page shows ${bold(product.name)}, as does the page of its category. Nothing has been written yet.`,
    )
    print()
    sayAll()

    const price = product.priceCents + 100
    await shop.changePrice(product.id, price)
    print(
      `  Its price goes from ${euros(product.priceCents)} to ${bold(euros(price))}, and the writer says what changed:`,
    )
    print(`  ${cyan(`await cache.invalidate("product:${product.id}")`)}`)
    print()
    sayAll()

    const again = await counted(db, shop.home)
    const priceNow = again.value.shelves[0]?.products.find(({ id }) => id === product.id)?.priceCents ?? Number.NaN
    print(
      `  The home page is read again: ${bold(euros(priceNow))}, with ${again.queries} database queries instead of ${first.queries}.`,
    )
    print(`  Only what had shown the old price was loaded anew; the product itself waits for its next reader.`)
    print()
    sayAll()
  } finally {
    await shop.close()
    db.close()
  }
}

async function counted<T>(db: Database, work: () => Promise<T>): Promise<{ value: T; queries: number }> {
  const before = db.queries
  const value = await work()
  return { value, queries: db.queries - before }
}

const COLOURS = { fresh: green, stale: red, expired: yellow, absent: yellow } as const
const MARGIN = 20

function say(call: string, { state, text, dependencies }: Explanation): void {
  const count = dependencies.length > 3 ? ` (${dependencies.length} dependencies)` : ""
  const lines = wrap(text + count, MARGIN)
    .replace(state, COLOURS[state](state))
    .replace(count, dim(count))
  print(`  ${call.padEnd(MARGIN - 2)}${lines}`)
}

function euros(cents: number): string {
  return `€${(cents / 100).toFixed(2)}`
}
