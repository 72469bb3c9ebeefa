/**
 * The shop's HTTP API, in a thread or a process of its own.
 *
 *     GET   /                  the home page
 *     GET   /categories/:id    a category page
 *     GET   /products/:id      a product
 *     PATCH /products/:id      { "priceCents": … } or { "categoryId": … }
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a rule for browser windows; these are threads
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import { connectTo } from "./database-socket.js"
import { Database } from "./database.js"
import { createShop, NotFoundError, type Shop } from "./shop.js"
import { noCache } from "./ways/no-cache.js"
import { ttlCache } from "./ways/ttl-cache.js"
import type { Way, WayName } from "./ways/way.js"
import { zoocache } from "./ways/zoocache.js"

export interface ServerData {
  readonly way: WayName
  readonly sabotage: boolean
  /** To a process the port where the database listens. */
  readonly database: MessagePort | number
  /** Where processes keep a cache that they share. */
  readonly sharedPath: string | undefined
}

/** What a server says of itself whenever it is sent a message. */
export interface ServerCounts {
  readonly queries: number
  readonly lookups: { readonly hits: number; readonly misses: number } | undefined
}

const isProcess = parentPort === null
const data = isProcess ? (JSON.parse(process.argv[2] ?? "") as ServerData) : (workerData as { data: ServerData }).data
const database = new Database(typeof data.database === "number" ? await connectTo(data.database) : data.database)
const way = createWay(createShop(database))
await way.ready?.()

const server = createServer((request, response) => {
  void respond(request, response)
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => {
  tell((server.address() as AddressInfo).port)
})
if (isProcess) {
  process.on("message", tellCounts)
  // Whoever started it has gone.
  process.on("disconnect", () => process.exit())
} else parentPort?.on("message", tellCounts)

function tellCounts(): void {
  tell({ queries: database.queries, lookups: way.lookups() })
}

function tell(message: number | ServerCounts): void {
  if (isProcess) process.send?.(message)
  else parentPort?.postMessage(message)
}

function createWay(shop: Shop): Way {
  switch (data.way) {
    case "no cache":
      return noCache(shop)
    case "TTL cache":
      return ttlCache(shop)
    case "zoocache":
      return zoocache(shop, { sabotage: data.sabotage, sharedPath: data.sharedPath })
  }
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    send(response, 200, await handle(request))
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    send(response, error instanceof NotFoundError ? 404 : 500, { error: message })
  }
}

async function handle(request: IncomingMessage): Promise<unknown> {
  const [, collection = "", idText = ""] = (request.url ?? "/").split("/")
  const id = Number(idText)
  if (request.method === "GET") {
    if (collection === "") return await way.home()
    if (collection === "categories") return await way.category(id)
    if (collection === "products") return await way.product(id)
  }
  if (request.method === "PATCH" && collection === "products") {
    const change = (await readJson(request)) as { priceCents?: number; categoryId?: number }
    if (change.priceCents !== undefined) return await way.changePrice(id, change.priceCents)
    if (change.categoryId !== undefined) return await way.move(id, change.categoryId)
  }
  throw new NotFoundError(`There is nothing at ${request.method} ${request.url}.`)
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = ""
  for await (const chunk of request) text += String(chunk)
  return JSON.parse(text)
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = Buffer.from(JSON.stringify(body))
  response.writeHead(status, { "content-type": "application/json", "content-length": text.length })
  response.end(text)
}
