/** Pages are cached calls over cached rows: whoever writes names the row, and the page that shows it is made anew. */
import { createServer } from "node:http"
import { createCache, tag } from "zoocache"

const names = new Map([["42", "Ada"]])
const cache = createCache({ ttl: "1h" })

const getName = cache.cacheable((id: string) => Promise.resolve(names.get(id)), {
  name: "getName",
  deps: (id) => [tag`user:${id}`],
})
const getPage = cache.cacheable(async (id: string) => `<h1>${(await getName(id)) ?? "nobody"}</h1>`, {
  name: "getPage",
})

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost")
  const id = pathname.slice(1) || "42"
  const written = request.method === "PUT" ? write(id, searchParams.get("name") ?? "") : undefined
  Promise.resolve(written)
    .then(() => getPage(id))
    .then((page) => response.setHeader("content-type", "text/html").end(page))
    .catch(() => response.writeHead(500).end())
})

async function write(id: string, name: string): Promise<void> {
  names.set(id, name) // the row is written first
  await cache.invalidate(tag`user:${id}`)
}

server.listen(Number(process.env["PORT"] ?? 3000), () => {
  const { port } = server.address() as { port: number }
  console.log(`http://localhost:${port}/42, and: curl -X PUT "http://localhost:${port}/42?name=Grace"`)
})
