// Bundles small programs with each bundler, and runs the bundles where a user would: in a folder that has only the packages
// that stayed outside. The last line is `N passed, N failed`.
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundlers } from "./bundlers.mjs"

const here = dirname(fileURLToPath(import.meta.url))
const installed = join(here, "node_modules")
const base = mkdtempSync(join(tmpdir(), "zoocache-bundlers-"))
const PEERS = ["ioredis", "lmdb", "msgpackr", "lz4-napi"]
const server = await startRedis()
let passed = 0
let failed = 0
let prefixes = 0

/**
 * What is built, and how it is run. `beside` are the packages that are installed where the bundle runs; `answer` is what the
 * program prints.
 */
const cases = [
  { app: "memory", external: [], beside: [], answer: /^ok$/ },
  { app: "redis", external: [], beside: ["ioredis", "msgpackr", "lz4-napi"], answer: /^ok$/ },
  { app: "redis", external: ["zoocache"], beside: ["zoocache", ...PEERS], answer: /^ok$/ },
  {
    app: "redis",
    external: [],
    beside: [],
    answer:
      /^ConfigurationError ERR_ZOOCACHE_CONFIGURATION: A codec needs the package msgpackr, which is not installed where this program runs \(Cannot find module 'msgpackr'\).*npm install msgpackr lz4-napi.*`zoocache` and `msgpackr` are external\.\ncause: MODULE_NOT_FOUND$/,
  },
  {
    app: "redis",
    external: [],
    beside: ["msgpackr", "lz4-napi"],
    answer:
      /needs the package ioredis, which is not installed where this program runs.*`zoocache` and `ioredis` are external/,
  },
  { app: "lmdb", external: ["zoocache", "lmdb"], beside: ["zoocache", ...PEERS], answer: /^ok$/ },
  { app: "lmdb", external: [], beside: ["zoocache", ...PEERS], answer: /^ok$/ },
  { app: "lmdb", external: [], beside: PEERS, copiesWriter: true, answer: /^ok$/ },
  {
    app: "lmdb",
    external: [],
    beside: PEERS,
    answer:
      /^ConfigurationError ERR_ZOOCACHE_CONFIGURATION: `lmdb\(\{ path \}\)` can't find the program of its thread.*\(Cannot find module 'zoocache\/package.json'\).*`zoocache` and `lmdb` are external, or copy/,
  },
  { app: "url", external: [], beside: PEERS, answer: /^ok$/ },
  {
    app: "url-unknown",
    external: [],
    beside: ["zoocache", ...PEERS],
    answer:
      /needs zoocache\/redis, which can't be loaded \(zoocache\/redis is not in this bundle\)\. In a bundle, write `import "zoocache\/redis"`/,
  },
  { app: "url-unknown", external: ["zoocache"], beside: ["zoocache", ...PEERS], answer: /^ok$/ },
  { app: "own-codec", external: [], beside: [], answer: /This bundle has no parts.*import "zoocache\/backend"/ },
  { app: "own-codec-shared", external: [], beside: [], answer: /^ok$/ },
]

const words = process.argv.slice(2)
const chosen = bundlers.filter(({ name }) => words.length === 0 || words.includes(name))
const queue = chosen.flatMap((bundler) => bundler.formats.map((format) => ({ bundler, format })))
if (words.length === 0 || words.includes("edge")) await runEdge()
if (words.length === 0 || words.includes("nitro")) queue.unshift("nitro")
// Two at a time, as there are processors: one bundles while the other runs.
await Promise.all([work(), work()])
server.kill()
rmSync(base, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function work() {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (next === "nitro") await runNitro()
    else await runFormat(next)
  }
}

async function runFormat({ bundler, format }) {
  const built = new Map()
  for (const each of cases) {
    const { app, external, beside } = each
    // What is refused is the same in each format.
    if (format !== bundler.formats[0] && !each.answer.test("ok")) continue
    const name = `${bundler.name} ${bundler.version()}, ${format}: ${app}, external ${list(external)}, beside ${list(beside)}${each.copiesWriter ? ", the writer copied" : ""}`
    try {
      const id = `${app}-${external.length}`
      // The same bundle for all places in which it runs.
      if (!built.has(id)) built.set(id, await buildApp(bundler, format, each))
      const printed = await runBundle(built.get(id), each)
      if (!each.answer.test(printed)) throw new Error(`it printed:\n${printed}`)
      passed += 1
      console.log(`ok      ${name}`)
    } catch (error) {
      failed += 1
      console.log(`FAILED  ${name}: ${error.message ?? error}`)
    }
  }
}

/** What is bundled for an edge runtime says that it does not run there. */
async function runEdge() {
  const { build } = await import("esbuild")
  for (const condition of ["edge-light", "workerd"]) {
    const outfile = join(base, `${condition}.mjs`)
    const entryPoints = [join(here, "apps", "memory.mjs")]
    const conditions = [condition, "worker", "module"]
    await build({
      entryPoints,
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      conditions,
      logLevel: "warning",
    })
    const printed = await output(process.execPath, [outfile], { env: process.env })
    const isOk = /Error: zoocache needs Node\.js, Bun or Deno, and this is code for an edge runtime/.test(printed)
    if (isOk) passed += 1
    else failed += 1
    console.log(`${isOk ? "ok      " : "FAILED  "}edge, ${condition}${isOk ? "" : `: it printed:\n${printed}`}`)
  }
}

/** A server made by Nitro, which leaves packages outside and copies them: nothing has to be said to it. */
async function runNitro() {
  const root = mkdtempSync(join(base, "nitro-"))
  cpSync(join(here, "apps"), root, { recursive: true })
  symlinkSync(installed, join(root, "node_modules"))
  const apps = ["memory", "redis", "lmdb"]
  const out = join(root, "out")
  await output(process.execPath, [join(here, "build-nitro.mjs"), root, out, ...apps], { cwd: here, env: process.env })
  const moved = join(placeWith([]), "nitro")
  cpSync(out, moved, { recursive: true, verbatimSymlinks: true })
  rmSync(root, { recursive: true })
  // The native code of lmdb is loaded by a name that is put together, which Nitro does not follow; docs/bundling.md says so.
  const native = `@lmdb/lmdb-${process.platform}-${process.arch}`
  cpSync(join(installed, native), join(moved, "server/node_modules", native), { recursive: true })
  const port = await freePort()
  const env = {
    ...process.env,
    PORT: String(port),
    HOST: "127.0.0.1",
    REDIS_URL: server.url,
    LMDB_PATH: join(base, "nitro-cache"),
    PREFIX: "nitro",
  }
  const child = spawn(process.execPath, [join(moved, "server/index.mjs")], {
    cwd: moved,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  })
  let printed = ""
  await new Promise((resolve) => {
    const take = (text) => {
      printed += text
      if (printed.includes("Listening")) resolve()
    }
    child.stdout.setEncoding("utf8").on("data", take)
    child.stderr.setEncoding("utf8").on("data", take)
    child.once("close", resolve)
  })
  for (const app of apps) {
    const answer = await fetch(`http://127.0.0.1:${port}/${app}`).then(
      (response) => response.text(),
      (error) => `${error.message}, and the server printed:\n${printed}`,
    )
    if (answer === "ok") passed += 1
    else failed += 1
    console.log(`${answer === "ok" ? "ok      " : "FAILED  "}nitro, ${app}${answer === "ok" ? "" : `: ${answer}`}`)
  }
  child.kill()
}

async function buildApp({ name, build }, format, { app, external }) {
  const root = mkdtempSync(join(base, `${name}-${format}-`))
  cpSync(join(here, "apps"), root, { recursive: true })
  symlinkSync(installed, join(root, "node_modules"))
  const outFolder = join(root, "out")
  mkdirSync(outFolder)
  const file = await build({ entry: join(root, `${app}.mjs`), outFolder, format, external, root })
  // What a bundle remembers of the place where it was built is gone, as on another machine.
  rmSync(join(root, "node_modules"))
  return file
}

async function runBundle(file, { beside, copiesWriter }) {
  const folder = mkdtempSync(join(placeWith(beside), "run-"))
  cpSync(dirname(file), folder, { recursive: true })
  if (copiesWriter) cpSync(join(installed, "zoocache/dist/chunks/writer-main.cjs"), join(folder, "writer-main.cjs"))
  const env = {
    ...process.env,
    REDIS_URL: server.url,
    LMDB_PATH: join(folder, "cache"),
    PREFIX: `p${(prefixes += 1)}`,
  }
  return await output(process.execPath, [join(folder, basename(file))], { cwd: folder, env })
}

/** A folder in which nothing is installed but these packages. One for all bundles that run beside them. */
function placeWith(names) {
  const folder = join(base, `with-${names.join("-")}`)
  const modules = join(folder, "node_modules")
  if (existsSync(modules)) return folder
  mkdirSync(modules, { recursive: true })
  for (const name of names) copyPackage(name, modules)
  return folder
}

/** With what it needs itself. Copied: a link would be followed, and everything found from there. */
function copyPackage(name, modules) {
  const target = join(modules, name)
  if (existsSync(target)) return
  if (!existsSync(join(installed, name))) return
  cpSync(join(installed, name), target, { recursive: true })
  if (name === "zoocache") return
  const { dependencies = {}, optionalDependencies = {} } = readJson(join(installed, name, "package.json"))
  for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) copyPackage(each, modules)
}

function output(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] })
    let text = ""
    child.stdout.setEncoding("utf8").on("data", (part) => (text += part))
    child.stderr.setEncoding("utf8").on("data", (part) => (text += part))
    child.once("error", reject)
    child.once("close", () => resolve(text.trim()))
  })
}

/** A server of its own, in memory. */
async function startRedis() {
  const port = await freePort()
  const command = process.env.REDIS_SERVER ?? "redis-server"
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] })
  await new Promise((resolve, reject) => {
    let printed = ""
    child.stdout.setEncoding("utf8").on("data", (text) => {
      printed += text
      if (/ready to accept connections/i.test(printed)) resolve()
    })
    child.once("error", (error) =>
      reject(new Error(`${command} can't be started; name one in REDIS_SERVER`, { cause: error })),
    )
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${printed}`)))
  })
  process.once("exit", () => child.kill())
  return { url: `redis://127.0.0.1:${port}`, kill: () => child.kill() }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"))
}

function list(names) {
  return names.length === 0 ? "nothing" : names.join(" ")
}
