import { execFileSync } from "node:child_process"
import { describe, expect, test } from "vitest"
import { demo, end, small, start, tableOf } from "./support/demo.js"

// Side by side: most of their time goes into starting up.
describe.concurrent("the demo", () => {
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
    const { code, out } = await demo(...small, "--seconds", "2", "--sabotage")
    expect(tableOf(out).get("zoocache")?.at(-1)).toMatch(/^[1-9]/)
    expect(out).toMatch(/FAILED {2}zoocache served .+ stale response/)
    expect(code).toBe(1)
  })

  test("finds nothing stale in two processes that share one environment, and each other's changes in a TTL cache", async () => {
    const { code, out, err } = await demo(...small, "--seconds", "2", "--processes", "2")
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
})

// After the others, not beside them: they have two cores.
describe.concurrent("the demo with Redis", () => {
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
    await expect.poll(() => children.filter((each) => isAlive(each))).toEqual([])
  })
})
