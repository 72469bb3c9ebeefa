/** Two nodes over one Redis server: a reader that presents the token of a write sees it, on whichever node it reads. */
import { createCache } from "zoocache"
import { redis } from "zoocache/redis"

const url = process.env["REDIS_URL"] ?? "redis://localhost:6379"
const rows = new Map([[42, "Ada"]])

/** In earnest these are two processes on two machines. */
function node() {
  const cache = createCache({ backend: redis({ url }), prefix: "two-nodes" })
  const getName = cache.cacheable((id: number) => Promise.resolve(rows.get(id)), {
    name: "getName",
    deps: (id) => [`user:${id}`],
  })
  return { cache, getName }
}

const [left, right] = [node(), node()]
await Promise.all([left.cache.ready(), right.cache.ready()])
await left.cache.clear() // of what an earlier run has left
console.log("right reads", await right.getName(42))
rows.set(42, "Grace")
const token = await left.cache.invalidate("user:42")
await right.cache.sync(token, { timeout: "5s" })
console.log("right reads", await right.getName(42))
await Promise.all([left.cache.close(), right.cache.close()])
