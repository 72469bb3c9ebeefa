import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { beforeEach, describe, expect, test } from "vitest"
import { type Shown, StaleCheck } from "../../examples/storefront/stale.js"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** `npm run demo -- ...args` without npm. */
async function demo(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", "examples/storefront/main.ts", ...args], { cwd: root })
  let out = ""
  let err = ""
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", resolve)
  })
  return { code, out, err }
}

/** The rows of the table, by the name of the way; the last cell is that of stale responses. */
function tableOf(out: string): Map<string, string[]> {
  const rows = out.split("\n").map((line) => line.trim().split(/ {2,}/))
  const isRow = (row: string[]) => row.length === 8 && ["no cache", "TTL cache", "zoocache"].includes(row[0] ?? "")
  return new Map(rows.filter((row) => isRow(row)).map(([way = "", ...cells]) => [way, cells]))
}

const small = ["--products", "2000", "--seconds", "0.75", "--clients", "8"]

// Side by side: most of their time goes into starting up.
describe.concurrent("the demo", { timeout: 120_000 }, () => {
  test("measures three ways, finds nothing stale with zoocache, and explains a write", async () => {
    const { code, out, err } = await demo(...small)
    expect(err).toBe("")
    const table = tableOf(out)
    expect([...table.keys()]).toEqual(["no cache", "TTL cache", "zoocache"])
    expect(table.get("no cache")?.at(-1)).toBe("0")
    expect(table.get("zoocache")?.at(-1)).toBe("0")
    expect(out).toMatch(/home\(\) +stale: depends on `product:\d+`, invalidated/)
    expect(out).not.toContain("\u001b")
    expect(code).toBe(0)
  })

  test("fails when zoocache's writers forget to invalidate", async () => {
    const { code, out } = await demo(...small, "--sabotage")
    expect(tableOf(out).get("zoocache")?.at(-1)).toMatch(/^[1-9]/)
    expect(out).toMatch(/FAILED {2}zoocache served .+ stale response/)
    expect(code).toBe(1)
  })

  test("finds nothing stale in two processes that share one environment, and each other's changes in a TTL cache", async () => {
    const { code, out, err } = await demo(...small, "--processes", "2")
    expect(err).toBe("")
    const table = tableOf(out)
    expect(table.get("no cache")?.at(-1)).toBe("0")
    expect(table.get("TTL cache")?.at(-1)).toMatch(/^[1-9]/)
    expect(table.get("zoocache")?.at(-1)).toBe("0")
    expect(out).toContain("2 server processes")
    expect(code).toBe(0)
  })

  test("fails when writers forget to invalidate in two processes", async () => {
    const { code, out } = await demo(...small, "--seconds", "2", "--processes", "2", "--sabotage")
    expect(tableOf(out).get("zoocache")?.at(-1)).toMatch(/^[1-9]/)
    expect(out).toMatch(/FAILED {2}zoocache served .+ stale response/)
    expect(code).toBe(1)
  })

  test.each([
    [["--products", "many"], '--products must be a whole number from 100 to 1000000, not "many"'],
    [["--seconds", "0"], '--seconds must be a number from 0.5 to 600, not "0"'],
    [["--turbo"], "Unknown option '--turbo'"],
  ])("refuses %j", async (args, message) => {
    const { code, out, err } = await demo(...args)
    expect(err).toContain(message)
    expect(out).toBe("")
    expect(code).toBe(2)
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
