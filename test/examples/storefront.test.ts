import { beforeEach, describe, expect, test, vi } from "vitest"
import { FlagError, parseFlags } from "../../examples/storefront/flags.js"
import { findRedis } from "../../examples/storefront/redis-server.js"
import { type Shown, StaleCheck } from "../../examples/storefront/stale.js"
import { demo } from "./support/demo.js"

// Whole runs are in storefront.faults.ts: each takes as long as its database needs to start.
describe("the demo", () => {
  test("refuses what it does not know", async () => {
    const { code, out, err } = await demo("--turbo")
    expect(err).toBe("Unknown option '--turbo'\nTry --help.\n")
    expect(out).toBe("")
    expect(code).toBe(2)
  })
})

describe("the command line", () => {
  test.each([
    [["--products", "many"], '--products must be a whole number from 100 to 1000000, not "many"'],
    [["--seconds", "0"], '--seconds must be a number from 0.5 to 600, not "0"'],
    [["--chaos"], "--chaos needs --redis"],
    [["--only", "both"], '--only must be one of no-cache, ttl-cache, zoocache, not "both"'],
  ])("refuses %j", (args, message) => {
    expect(() => parseFlags(args)).toThrow(new FlagError(message))
  })

  test("means several processes with Redis, unless told otherwise", () => {
    expect(parseFlags([])).toMatchObject({ processes: 1, redis: false, ways: ["no cache", "TTL cache", "zoocache"] })
    expect(parseFlags(["--redis"])).toMatchObject({ processes: 4, redis: true })
    expect(parseFlags(["--redis", "--processes", "2"])).toMatchObject({ processes: 2 })
  })

  test("says what to do where there is no Redis", () => {
    vi.stubEnv("REDIS_SERVER", "/nowhere/redis-server")
    expect(() => findRedis()).toThrow(FlagError)
    expect(() => findRedis()).toThrow(/REDIS_SERVER, \/nowhere\/redis-server, is none\. Install redis-server/)
    vi.stubEnv("REDIS_SERVER", "")
    vi.stubEnv("PATH", "/nowhere")
    expect(() => findRedis()).toThrow(/there is none\. Install redis-server/)
  })
})

describe("the check for stale responses", () => {
  /** What the database has now. */
  let product: { version: number; priceCents: number }
  let check: StaleCheck

  beforeEach(() => {
    product = { version: 1, priceCents: 100 }
    check = new StaleCheck({
      query: <Row>() =>
        Promise.resolve([{ products: [[7, product.version, product.priceCents, 3]], categories: [] }] as Row[]),
    })
  })

  const write = (priceCents: number) => {
    product = { version: product.version + 1, priceCents }
    return { product: { id: 7, version: product.version }, categories: [] }
  }
  const shown = (): Shown => ({ products: [{ id: 7, categoryId: 3, ...product }], categories: [] })

  test("accepts what the database has", async () => {
    check.acknowledged(write(200))
    check.received("/products/7", check.sent(), shown())
    expect(await check.verdict()).toMatchObject({ checked: 1, stale: 0, contradiction: undefined })
  })

  test("finds a response that lacks a change acknowledged before the request", async () => {
    const old = shown()
    check.acknowledged(write(200))
    check.received("/products/7", check.sent(), old)
    const verdict = await check.verdict()
    expect(verdict).toMatchObject({ checked: 1, stale: 1, contradiction: undefined })
    expect(verdict.worst).toMatch(/^GET \/products\/7 showed product 7 in version 1; version 2 had been acknowledged/)
  })

  test("accepts either state where a change was acknowledged after the request was sent", async () => {
    const old = shown()
    const sent = check.sent()
    check.acknowledged(write(200))
    check.received("/products/7", sent, old)
    check.received("/products/7", sent, shown())
    expect(await check.verdict()).toMatchObject({ checked: 2, stale: 0, contradiction: undefined })
  })

  test("accepts either state of a change whose writer had no acknowledgement", async () => {
    const old = shown()
    write(200)
    check.received("/products/7", check.sent(), old)
    check.received("/products/7", check.sent(), shown())
    expect(await check.verdict()).toMatchObject({ checked: 2, stale: 0, contradiction: undefined })
  })

  test("finds a response that lacks an unacknowledged change and an acknowledged one after it", async () => {
    const old = shown()
    write(200)
    const between = shown()
    check.acknowledged(write(300))
    check.received("/products/7", check.sent(), old)
    check.received("/products/7", check.sent(), between)
    expect(await check.verdict()).toMatchObject({ checked: 2, stale: 2 })
  })

  test("finds a stale response although a later change overlapped with it", async () => {
    const old = shown()
    check.acknowledged(write(200))
    const sent = check.sent()
    check.acknowledged(write(300))
    check.received("/products/7", sent, old)
    expect(await check.verdict()).toMatchObject({ stale: 1 })
  })

  test("does not take the acknowledgement of a later change for that of an earlier one", async () => {
    const sent = check.sent()
    const second = write(200)
    const old = shown()
    check.acknowledged(write(300))
    check.acknowledged(second)
    check.received("/products/7", sent, old)
    expect(await check.verdict()).toMatchObject({ stale: 0 })
  })

  test.each<[string, () => Shown]>([
    ["another price in the same version", () => ({ ...shown(), products: [{ id: 7, version: 1, priceCents: 99 }] })],
    ["a version that does not exist yet", () => ({ ...shown(), products: [{ id: 7, version: 2, priceCents: 100 }] })],
    ["a row that does not exist", () => ({ ...shown(), products: [{ id: 8, version: 1, priceCents: 100 }] })],
  ])("reports %s as a contradiction", async (_what, response) => {
    check.received("/products/7", check.sent(), response())
    expect((await check.verdict()).contradiction).toContain("GET /products/7 showed product")
  })
})
