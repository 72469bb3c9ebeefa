import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { beforeEach, describe, expect, test, vi } from "vitest"
import { FlagError, parseFlags } from "../../examples/storefront/flags.js"
import { findRedis } from "../../examples/storefront/redis-server.js"
import { type Shown, StaleCheck } from "../../examples/storefront/stale.js"
import { findServer } from "../redis/support/find-server.js"

// The demo looks for it there. Where there is none, these tests must not pass.
process.env["REDIS_SERVER"] ||= findServer().path

const root = fileURLToPath(new URL("../../", import.meta.url))

/** `npm run demo -- ...args` without npm. */
function start(args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, ["--import", "tsx", "examples/storefront/main.ts", ...args], { cwd: root })
}

function demo(...args: string[]): Promise<Ended> {
  return end(start(args))
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function end(child: ChildProcessWithoutNullStreams): Promise<Ended> {
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
describe.concurrent("the demo", { timeout: 300_000 }, () => {
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

// After the others, not beside them: they have two cores.
describe.concurrent("the demo with Redis", { timeout: 300_000 }, () => {
  // One way only: how the others are measured does not depend on Redis.
  const withRedis = [...small, "--redis", "--processes", "2", "--only", "zoocache"]

  test("finds nothing stale, and nothing unavailable, in two processes that share Redis", async () => {
    const { code, out, err } = await demo(...withRedis)
    expect(err).toBe("")
    expect([...tableOf(out)].map(([way, cells]) => [way, cells.at(-1)])).toEqual([["zoocache", "0"]])
    expect(out).toMatch(/zoocache's processes share (Redis|Valkey) \d/)
    expect(out).not.toContain("unavailable")
    expect(code).toBe(0)
  })

  test("finds nothing stale while Redis is killed, loses connections and stands still, as do the processes", async () => {
    const { code, out, err } = await demo(...withRedis, "--seconds", "3", "--chaos")
    expect(err).toBe("")
    expect(tableOf(out).get("zoocache")?.at(-1)).toBe("0")
    const counts =
      /Redis killed and restarted (\d+) ×, stopped (\d+) ×; (\d+) subscriber connections dropped; servers stopped (\d+) ×/
    const done = counts.exec(out.replaceAll(/\s+/g, " "))?.slice(1).map(Number)
    expect(done).toHaveLength(4)
    expect(Math.min(...(done ?? []))).toBeGreaterThan(0)
    expect(out).toMatch(/chaos +\d+\.\d s {2}kill -9 of Redis/)
    expect(out).toMatch(/unavailable +\d+ responses/)
    expect(out).toMatch(/stale +0 responses older than the tokens that were presented/)
    expect(code).toBe(0)
  })

  test("fails when writers forget to invalidate in two processes that share Redis", async () => {
    const { code, out } = await demo(...withRedis, "--seconds", "2", "--sabotage")
    expect(tableOf(out).get("zoocache")?.at(-1)).toMatch(/^[1-9]/)
    expect(out).toMatch(/FAILED {2}zoocache served .+ stale response/)
    expect(code).toBe(1)
  })

  test("takes Redis and the servers along when it is interrupted, also those that stand still", async ({ expect }) => {
    const child = start([...withRedis, "--seconds", "30", "--chaos"])
    const ended = end(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => chunk.includes("SIGSTOP of node") && resolve())
      child.on("exit", () => reject(new Error("it ended before")))
    })
    const children = execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" })
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, parent, name]) => parent === String(child.pid) && name !== "ps")
    // The two servers, and Redis unless it has just been killed.
    expect(children.length).toBeGreaterThanOrEqual(2)
    child.kill("SIGINT")
    const { code, err } = await ended
    expect({ code, err }).toEqual({ code: 130, err: "" })
    const isAlive = ([pid]: string[]) => {
      try {
        return process.kill(Number(pid), 0)
      } catch {
        return false
      }
    }
    await expect.poll(() => children.filter((each) => isAlive(each)), { timeout: 30_000 }).toEqual([])
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
