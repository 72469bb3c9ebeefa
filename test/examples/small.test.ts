/** The examples of one file each, as somebody starts them, and what they print. */
import { spawn, type ChildProcess } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { afterAll, beforeAll, expect, test } from "vitest"
import { RedisServer } from "../redis/support/server.js"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = join(process.env["ZOOCACHE_PROGRAMS"] ?? join(root, "node_modules", ".cache"), "small")
const children: ChildProcess[] = []

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  await build({
    absWorkingDir: root,
    entryPoints: ["rows-and-lists", "server", "two-nodes"].map((name) => `examples/${name}.ts`),
    outdir: folder,
    tsconfig: join(root, "tsconfig.json"),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    external: ["ioredis", "lmdb", "msgpackr", "lz4-napi"],
    logLevel: "warning",
  })
})

afterAll(() => {
  for (const child of children) child.kill()
  rmSync(folder, { recursive: true, force: true })
})

test("rows-and-lists loads the row that was written, and the list", async () => {
  expect(await printedBy(start("rows-and-lists"))).toBe(
    [
      "loads the list",
      "loads apple",
      "loads pear",
      "loads plum",
      "[ 3, 4, 5 ]",
      "[ 3, 4, 5 ]",
      "stale: depends on `product:pear`",
      "loads the list",
      "loads pear",
      "[ 3, 6, 5 ]\n",
    ].join("\n"),
  )
})

test("server shows a new name with the first request after the write", async () => {
  const child = start("server", { PORT: "0" })
  const [url = ""] = /http:\S+\/42/.exec(await firstLineOf(child)) ?? []
  const get = async (query = "", method = "GET") => (await fetch(`${url}${query}`, { method })).text()
  expect(await get()).toBe("<h1>Ada</h1>")
  expect(await get("?name=Grace", "PUT")).toBe("<h1>Grace</h1>")
  expect(await get()).toBe("<h1>Grace</h1>")
})

test("two-nodes reads the write of the other node", async () => {
  await using server = await RedisServer.start()
  const child = start("two-nodes", { REDIS_URL: `redis://127.0.0.1:${server.port}` })
  expect(await printedBy(child)).toBe("right reads Ada\nright reads Grace\n")
})

function start(name: string, env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [join(folder, `${name}.mjs`)], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  })
  children.push(child)
  return child
}

/** All that it prints until its end. */
function printedBy(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ""
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (printed += text))
    child.once("error", reject)
    child.once("close", () => resolve(printed))
  })
}

function firstLineOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ""
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      printed += text
      if (printed.includes("\n")) resolve(printed)
    })
    child.once("close", () => reject(new Error(`It ended after it had printed: ${printed}`)))
  })
}
