/** The visitors: each sends one request after another over a connection of its own, and hands the answers to the check. */
import { Agent, request } from "node:http"
import { type Catalogue, randomPrice } from "./catalogue.js"
import { type Random, seededRandom, wholeNumber, zipf } from "./random.js"
import type { CategoryPage, HomePage, Product, Written } from "./shop.js"
import { type Shown, shownByCategory, shownByHome, shownByProduct, type StaleCheck } from "./stale.js"
import { TOKEN_HEADER } from "./ways/way.js"

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
  /** After which a visitor gives up and goes on to the next server, as after a broken connection. Without it both end the run. */
  readonly patienceMs: number | undefined
}

/** Requests without the answer that was asked for. They are neither current nor stale. */
export interface Unavailable {
  /** Answered with 503: the server could not make sure in time that it knows what the visitor knows. */
  reads: number
  /** Answered with 503: made, but the invalidation was not acknowledged. Whoever wrote does not know that it holds. */
  writes: number
  /** Not answered, or not within a visitor's patience. */
  silent: number
}

interface RawAnswer {
  readonly status: number
  readonly text: string
  readonly token: string | undefined
}

type Answer = Pick<RawAnswer, "token"> & { readonly body: unknown }

export interface Load {
  /** Requests answered so far. */
  readonly answered: number
  readonly unavailable: Readonly<Unavailable>
  /**
   * Sends requests for so long, and longer until so many have been answered. Returns how long each took, in ms. Called
   * again, it goes on where it stopped.
   */
  run(seconds: number, leastAnswered?: number): Promise<Float64Array>
  stop(): void
}

export function createLoad({ ports, catalogue, clients, seed, check, patienceMs }: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const nextStep = stepsThrough(catalogue)
  // One source per client: what it asks for does not depend on how fast the others are answered.
  const sources = Array.from({ length: clients }, (_, index) => seededRandom(seed + 1 + index))
  let answered = 0
  const unavailable: Unavailable = { reads: 0, writes: 0, silent: 0 }
  // What all visitors know of, as the check asks for: a browser would have its own in a cookie. Only the log can tell which
  // of two tokens is the newer one. So a token takes the place of those that its writer had known, and those of writes that
  // overlapped are all kept; there are seldom more than two.
  let tokens: readonly string[] = []

  async function visit(random: Random, index: number, isOver: () => boolean, tookMs: number[]): Promise<void> {
    for (let turn = index; !isOver(); turn += 1) {
      const port = ports[turn % ports.length] as number
      const step = nextStep(random)
      const sent = check.sent()
      const known = tokens
      const answer = await send(port, step, known)
      if (answer === undefined) continue
      const { body, token } = answer
      if ("change" in step) {
        check.acknowledged(body as Written)
        if (token !== undefined)
          tokens = [...tokens.filter((other) => other !== token && !known.includes(other)), token]
      } else check.received(step.path, sent, step.shown(body))
      tookMs.push(performance.now() - sent.atMs)
      answered += 1
    }
  }

  /** Undefined where it was unavailable. */
  async function send(port: number, step: Step, known: readonly string[]): Promise<Answer | undefined> {
    const answer = await exchange(port, step, known).catch((error: unknown) => {
      if (patienceMs === undefined) throw error
    })
    if (answer?.status === 200) return { body: JSON.parse(answer.text), token: answer.token }
    if (answer === undefined) unavailable.silent += 1
    else if (answer.status === 503) unavailable["change" in step ? "writes" : "reads"] += 1
    else throw new Error(`${step.path} was answered with ${answer.status}: ${answer.text}`)
    return undefined
  }

  function exchange(port: number, step: Step, known: readonly string[]): Promise<RawAnswer> {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      agent,
      path: step.path,
      method: "change" in step ? "PATCH" : "GET",
      headers: known.length === 0 ? {} : { [TOKEN_HEADER]: known.join(",") },
      signal: patienceMs === undefined ? undefined : AbortSignal.timeout(patienceMs),
    })
    return new Promise((resolve, reject) => {
      outgoing.on("error", reject)
      outgoing.on("response", (response) => {
        const chunks: Buffer[] = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", reject)
        response.on("end", () => {
          const token = response.headers[TOKEN_HEADER] as string | undefined
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString(), token })
        })
      })
      outgoing.end("change" in step ? JSON.stringify(step.change) : undefined)
    })
  }

  return {
    get answered() {
      return answered
    },
    unavailable,
    run: async (seconds, leastAnswered = 0) => {
      const tookMs: number[] = []
      const untilMs = performance.now() + seconds * 1000
      const isOver = () => performance.now() >= untilMs && tookMs.length >= leastAnswered
      await Promise.all(sources.map((random, index) => visit(random, index, isOver, tookMs)))
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
