/** The visitors: each sends one request after another over a connection of its own, and hands the answers to the check. */
import { Agent, request } from "node:http"
import { type Catalogue, randomPrice } from "./catalogue.js"
import { type Random, seededRandom, wholeNumber, zipf } from "./random.js"
import type { CategoryPage, HomePage, Product, Written } from "./shop.js"
import { type Shown, shownByCategory, shownByHome, shownByProduct, type StaleCheck } from "./stale.js"

/** Of 100 requests, on average. The rest are products. */
export const MIX = { home: 8, category: 25, move: 0.4, price: 1.6 }

type Step =
  | { readonly path: string; readonly shown: (body: unknown) => Shown }
  | { readonly path: string; readonly change: { priceCents: number } | { categoryId: number } }

export interface LoadOptions {
  /** Where the servers listen. Each visitor goes from one to the next, so that nobody reads where they wrote. */
  readonly ports: readonly number[]
  readonly catalogue: Catalogue
  readonly clients: number
  readonly seed: number
  readonly check: StaleCheck
}

export interface Load {
  /** Requests answered so far. */
  readonly answered: number
  /** Sends requests for so long, and returns how long each took, in ms. Called again, it goes on where it stopped. */
  run(seconds: number): Promise<Float64Array>
  stop(): void
}

export function createLoad({ ports, catalogue, clients, seed, check }: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const nextStep = stepsThrough(catalogue)
  // One source per client: what it asks for does not depend on how fast the others are answered.
  const sources = Array.from({ length: clients }, (_, index) => seededRandom(seed + 1 + index))
  let answered = 0

  async function visit(random: Random, index: number, untilMs: number, tookMs: number[]): Promise<void> {
    for (let turn = index; performance.now() < untilMs; turn += 1) {
      const port = ports[turn % ports.length] as number
      const step = nextStep(random)
      const sent = check.sent()
      if ("change" in step) {
        check.acknowledged((await send(port, "PATCH", step.path, step.change)) as Written)
      } else {
        const body = await send(port, "GET", step.path)
        check.received(step.path, sent, step.shown(body))
      }
      tookMs.push(performance.now() - sent.atMs)
      answered += 1
    }
  }

  function send(port: number, method: string, path: string, body?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ host: "127.0.0.1", port, agent, method, path }, (response) => {
        const chunks: Buffer[] = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", reject)
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString()
          if (response.statusCode === 200) resolve(JSON.parse(text))
          else reject(new Error(`${method} ${path} was answered with ${response.statusCode}: ${text}`))
        })
      })
      outgoing.on("error", reject)
      outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  return {
    get answered() {
      return answered
    },
    run: async (seconds) => {
      const tookMs: number[] = []
      const untilMs = performance.now() + seconds * 1000
      await Promise.all(sources.map((random, index) => visit(random, index, untilMs, tookMs)))
      return Float64Array.from(tookMs)
    },
    stop: () => agent.destroy(),
  }
}

/** What a visitor does next. */
function stepsThrough({ products, categories, byPopularity }: Catalogue): (random: Random) => Step {
  const productRank = zipf(products)
  const categoryRank = zipf(categories)
  const product = (random: Random) => `/products/${byPopularity[productRank(random)]}`
  return (random) => {
    let dice = random() * 100
    const falls = (share: number) => (dice -= share) < 0
    if (falls(MIX.price)) return { path: product(random), change: { priceCents: randomPrice(random) } }
    if (falls(MIX.move)) return { path: product(random), change: { categoryId: 1 + wholeNumber(random, categories) } }
    if (falls(MIX.home)) return { path: "/", shown: (body) => shownByHome(body as HomePage) }
    if (falls(MIX.category)) {
      const path = `/categories/${1 + categoryRank(random)}`
      return { path, shown: (body) => shownByCategory(body as CategoryPage) }
    }
    return { path: product(random), shown: (body) => shownByProduct(body as Product) }
  }
}
