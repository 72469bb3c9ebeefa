/**
 * The shop's HTTP API, in a thread or a process of its own.
 *
 *     GET   /                  the home page
 *     GET   /categories/:id    a category page
 *     GET   /products/:id      a product
 *     PATCH /products/:id      { "priceCents": … } or { "categoryId": … }
 *
 * With Redis, the answer to a write has a token (`x-cache-token`), and a reader who presents it (a browser would have it
 * in a cookie) sees that write, whichever server is asked. 503: it was not to be had in time. A write that is answered with
 * 503 has been made, but other servers may not have heard of it yet.
 */
// oxlint-disable unicorn/require-post-message-target-origin -- a rule for browser windows; these are threads
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import { InvalidationNotAcknowledgedError, SyncTimeoutError } from "zoocache"
import { connectTo } from "./database-socket.js"
import { Database } from "./database.js"
import { createShop, NotFoundError, type Shop, type Written } from "./shop.js"
import { noCache } from "./ways/no-cache.js"
import { ttlCache } from "./ways/ttl-cache.js"
import { type Change, TOKEN_HEADER, type Way, type WayName } from "./ways/way.js"
import { zoocache } from "./ways/zoocache.js"

export interface ServerData {
  readonly way: WayName
  readonly sabotage: boolean
  /** To a process the port where the database listens. */
  readonly database: MessagePort | number
  /** Where processes keep a cache that they share. */
  readonly sharedPath: string | undefined
  /** The same, by a server. */
  readonly redisUrl: string | undefined
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
      return zoocache(shop, data)
  }
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    send(response, 200, await handle(request, response))
  } catch (error) {
    send(response, statusOf(error), { error: error instanceof Error ? error.message : String(error) })
  }
}

function statusOf(error: unknown): number {
  if (error instanceof NotFoundError) return 404
  return error instanceof SyncTimeoutError || error instanceof InvalidationNotAcknowledgedError ? 503 : 500
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  const [, collection = "", idText = ""] = (request.url ?? "/").split("/")
  const id = Number(idText)
  if (request.method === "GET") {
    const tokens = request.headers[TOKEN_HEADER]
    if (tokens !== undefined) await way.sync?.(String(tokens).split(","))
    if (collection === "") return await way.home()
    if (collection === "categories") return await way.category(id)
    if (collection === "products") return await way.product(id)
  }
  if (request.method === "PATCH" && collection === "products") {
    const change = (await readJson(request)) as { priceCents?: number; categoryId?: number }
    if (change.priceCents !== undefined) return withToken(await way.changePrice(id, change.priceCents), response)
    if (change.categoryId !== undefined) return withToken(await way.move(id, change.categoryId), response)
  }
  throw new NotFoundError(`There is nothing at ${request.method} ${request.url}.`)
}

function withToken({ token, ...written }: Change, response: ServerResponse): Written {
  // In one process, and on LMDB, there is nothing to wait for: a write holds everywhere when it is answered.
  if (token !== undefined && data.redisUrl !== undefined) response.setHeader(TOKEN_HEADER, token)
  return written
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
