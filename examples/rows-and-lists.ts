/** A list inherits what its rows depend on: a write to one row loads that row and the list, and nothing else. */
import { createCache, defineTags } from "zoocache"

const prices = new Map([
  ["apple", 3],
  ["pear", 4],
  ["plum", 5],
])

const tags = defineTags({ product: "product:{name}", list: "products" })
const cache = createCache()

const getPrice = cache.cacheable(
  (name: string) => {
    console.log(`loads ${name}`)
    return Promise.resolve(prices.get(name))
  },
  { name: "getPrice", deps: (name) => [tags.product({ name })] },
)

const getList = cache.cacheable(
  async () => {
    console.log("loads the list")
    return await Promise.all([...prices.keys()].map((name) => getPrice(name)))
  },
  { name: "getList", deps: [tags.list()] },
)

console.log(await getList()) // loads all
console.log(await getList()) // a hit
prices.set("pear", 6)
await cache.invalidate(tags.product({ name: "pear" }))
console.log(getList.explain().text.split(",")[0])
console.log(await getList()) // loads the list and the pear
