/**
 * Every code block of README and docs: one compiler run for all TypeScript, one process that runs it, and the commands
 * against package.json.
 */
import { spawn } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { RedisServer } from "../redis/support/server.js"
import { blocksOf, pages, programsOf, root } from "./support/blocks.js"

const programs = pages().flatMap(programsOf)
const run = programs.filter(({ isRun }) => isRun)
// Below `node_modules`, so that packages are found from there.
const folder = join(process.env["ZOOCACHE_PROGRAMS"] ?? join(root, "node_modules", ".cache"), "docs")
const sources = join(folder, "sources")

let complaints = ""
let faults: Record<string, string> = {}
let server: RedisServer

beforeAll(async () => {
  server = await RedisServer.start()
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(sources, { recursive: true })
  ;[complaints, faults] = await Promise.all([compileAll(), runAll()])
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

test("there are blocks to check", () => {
  expect(run.length).toBeGreaterThan(20)
})

test("every block compiles, by the settings that this project has for itself", () => {
  expect(complaints).toBe("")
})

describe("runs, and gives what the page says", () => {
  test.each(run.map(({ at, name }) => [at, name]))("%s", (_at, name) => {
    expect(faults[name]).toBeUndefined()
  })
})

test("a block that is not run says why", () => {
  const silent = pages()
    .flatMap(blocksOf)
    .filter(({ info }) => info.startsWith("no-run") && !/^no-run, .{10,}/.test(info))
  expect(silent.map(({ page, line }) => `${page}:${line}`)).toEqual([])
})

test("every block names its language", () => {
  const known = new Set(["ts", "sh", "text", "mermaid"])
  const other = pages()
    .flatMap(blocksOf)
    .filter(({ language }) => !known.has(language))
  expect(other.map(({ page, line, language }) => `${page}:${line} ${language}`)).toEqual([])
})

const { scripts, peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>
  peerDependencies: Record<string, string>
}

/** Commands in blocks and in the text: `npm run x`, `npm test`, `npm install a b`. */
const commands = pages().flatMap((page) =>
  [
    ...readFileSync(join(root, page), "utf8").matchAll(
      /\bnpm (?:run (?:--silent )?([\w:]+)|(test)\b|install ([\w -]+))/g,
    ),
  ].map(([text, script, tests, packages]) => ({ at: page, text, script: script ?? tests, packages })),
)

test("every script that a page names exists", () => {
  const named = commands.filter(({ script }) => script !== undefined)
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter(({ script }) => scripts[script as string] === undefined)).toEqual([])
})

test("every package that a page says to install is one that this one goes with", () => {
  const named = commands.flatMap(({ at, packages = "" }) => packages.split(" ").map((name) => ({ at, name })))
  const unknown = named.filter(({ name }) => /^[a-z]/.test(name) && !(name in peerDependencies) && name !== "zoocache")
  expect(unknown).toEqual([])
})

/** What the compiler says; nothing where it is content. */
async function compileAll(): Promise<string> {
  const files = programs.map(({ name, code }) => {
    writeFileSync(join(sources, `${name}.ts`), code)
    return join(sources, `${name}.ts`)
  })
  const config = join(folder, "tsconfig.json")
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions: { noPropertyAccessFromIndexSignature: false },
      files: [...files, join(root, "test/docs/support/world.ts")],
      include: [],
    }),
  )
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
  const { printed } = await output([compiler, "-p", config])
  return printed
}

/** The errors of the programs by their names. */
async function runAll(): Promise<Record<string, string>> {
  const entries: Record<string, string> = {}
  for (const [index, { name, checked }] of run.entries()) {
    const file = join(folder, "checked", `${name}.ts`)
    mkdirSync(join(folder, "checked"), { recursive: true })
    writeFileSync(file, placed(checked, index))
    entries[name] = file
  }
  await build({
    absWorkingDir: root,
    entryPoints: { ...entries, "the-runner": join(root, "test/docs/support/runner.ts") },
    outdir: folder,
    tsconfig: join(root, "tsconfig.json"),
    bundle: true,
    splitting: true,
    chunkNames: "[name]-[hash]",
    platform: "node",
    target: "node20",
    format: "esm",
    outExtension: { ".js": ".mjs" },
    external: ["ioredis", "lmdb", "msgpackr", "lz4-napi"],
    alias: aliases(),
    logLevel: "warning",
  })
  // The thread that writes for LMDB lies where the backend is.
  const threads = process.env["ZOOCACHE_PROGRAMS"] ?? folder
  for (const file of readdirSync(threads)) {
    if (file.endsWith(".cjs")) copyFileSync(join(threads, file), join(folder, file))
  }
  const list = join(folder, "list.json")
  writeFileSync(list, JSON.stringify(Object.fromEntries(run.map(({ name }) => [name, join(folder, `${name}.mjs`)]))))
  const { printed, complained } = await output([join(folder, "the-runner.mjs"), list])
  try {
    return JSON.parse(printed) as Record<string, string>
  } catch (error) {
    throw new Error(`The examples did not come to an end:\n${printed}\n${complained}`, { cause: error })
  }
}

/** Servers and folders that the pages name, as this machine has them; each program has some of its own. */
function placed(code: string, index: number): string {
  const path = JSON.stringify(join(folder, "data", String(index)))
  return code
    .replaceAll("redis://localhost:6379", `redis://127.0.0.1:${server.port}/${index % 16}`)
    .replaceAll(/"(?:\.\/cache|\/var\/cache\/shop)"/g, path)
    .replaceAll("lmdb://./cache", `lmdb://${join(folder, "data", String(index))}`)
}

/** The sources, by the names under which users have them. */
function aliases(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, unknown>
  }
  const names = Object.keys(exports).filter((name) => name !== "./package.json")
  return Object.fromEntries(
    names.map((name) => [`zoocache${name.slice(1)}`, join(root, `src${name.slice(1)}/index.ts`)]),
  )
}

function output(args: string[]): Promise<{ printed: string; complained: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] })
    let printed = ""
    let complained = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complained += text))
    child.once("error", reject)
    child.once("close", () => resolve({ printed, complained }))
  })
}
