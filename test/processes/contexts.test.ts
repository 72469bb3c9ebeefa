/** Requests with an AsyncLocalStorage store each, in a process that loads the library within the first of them. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { describe, expect, test } from "vitest"
import { RedisServer } from "../redis/support/server.js"
import { program } from "../support/program.js"

interface Report {
  readonly left: readonly number[]
  readonly requestsMade: number
  readonly seen: Record<string, unknown[]>
}

async function serve(kind: string, where = ""): Promise<Report> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    program("requests"),
    pathToFileURL(program("everything")).href,
    kind,
    where,
  ])
  return JSON.parse(stdout) as Report
}

/** The import itself keeps the request in which it was written, on some versions of Node.js. */
function expectNoneAlive({ left, requestsMade }: Report): void {
  expect(requestsMade).toBeGreaterThan(100)
  expect(left.filter((request) => request !== 1)).toEqual([])
}

const nobody = {
  batch: ["none"],
  "context: root": ["none"],
  "early refresh": ["none"],
  "grace refresh": ["none"],
}

describe("a process keeps no request alive, and shows none to code of no request,", () => {
  test("in memory", async () => {
    const report = await serve("memory")
    expectNoneAlive(report)
    expect(report.seen).toEqual({ ...nobody, "event expire": ["none"] })
  })

  test("with LMDB", async () => {
    const path = mkdtempSync(join(tmpdir(), "zoocache-contexts-"))
    try {
      const report = await serve("lmdb", path)
      expectNoneAlive(report)
      expect(report.seen).toMatchObject(nobody)
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  })

  test("with Redis", async () => {
    const server = await RedisServer.start()
    try {
      const report = await serve("redis", `redis://127.0.0.1:${server.port}/0`)
      expectNoneAlive(report)
      expect(report.seen).toMatchObject(nobody)
    } finally {
      await server[Symbol.asyncDispose]()
    }
  })

  test("with a log that never answers an append", async () => expectNoneAlive(await serve("silent-log")))
})
