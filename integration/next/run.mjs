/**
 * Runs an application on the Next.js of the folder that it is started in, as users do: `next dev`, whose files are edited, and
 * `next build` with `next start`; by Turbopack and by webpack; with zoocache in the bundles and outside of them.
 *
 *     npm test                        a part of the combinations, in which each two choices meet
 *     npm test -- all                 all of them
 *     npm test -- dev turbopack       those with these words
 */
import { execFileSync, spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"

/** Only what fails waits so long: on a busy machine the first page takes more than a minute to compile. */
const PATIENCE_MS = 300_000
const RELOADS = 3

const here = process.cwd()
const folder = join(here, "run")
const root = fileURLToPath(new URL("../../", import.meta.url))
const { version } = JSON.parse(readFileSync(join(here, "node_modules/next/package.json"), "utf8"))
const major = Number(version.split(".")[0])

const all = ["dev", "start"].flatMap((mode) =>
  ["turbopack", "webpack"].flatMap((bundler) => ["bundled", "external"].map((place) => ({ mode, bundler, place }))),
)
const words = process.argv.slice(2)
const isChosen = (each) => {
  if (words.includes("all")) return true
  if (words.length > 0) return words.every((word) => Object.values(each).includes(word))
  // Of three choices with two ways each, these four have every pair of ways.
  return (each.mode === "dev") === ((each.bundler === "turbopack") === (each.place === "bundled"))
}

let passed = 0
let failed = 0

installPackage()
for (const each of all.filter(isChosen)) await run(each)
rmSync(folder, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

/** The packed tarball, where nobody has installed it. */
function installPackage() {
  if (existsSync(join(here, "node_modules/zoocache"))) return
  const given = process.env.ZOOCACHE_TARBALL
  const npm = (args, cwd) => execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
  const destination = join(here, "node_modules")
  const packed = () =>
    join(
      destination,
      JSON.parse(npm(["pack", "--ignore-scripts", "--json", "--pack-destination", destination], root))[0].filename,
    )
  npm(["install", "--no-save", given ?? packed()], here)
}

async function run({ mode, bundler, place }) {
  const title = `Next.js ${version}, ${mode}, ${bundler}, ${place}`
  const startedAt = performance.now()
  const server = await start({ mode, bundler, place }).catch((error) => ({ error }))
  const said = () => server.output?.() ?? ""
  let beforeReload
  const test = async (what, body) => {
    try {
      if (server.error !== undefined) throw server.error
      await body()
      passed += 1
      console.log(`  ✓ ${title}: ${what}`)
    } catch (error) {
      failed += 1
      console.log(`  ✗ ${title}: ${what}\n${error.stack.slice(0, 1500)}\n${said().slice(-3000)}`)
    }
  }
  try {
    await test("a page and a route share entries and loads", async () => {
      // Both are loaded, and in development compiled, before anything is compared.
      await server.page()
      await server.route()
      const [page, route, again] = [await server.page(), await server.route(), await server.page()]
      same([route.user, route.own], [page.user, page.own])
      same(again, page)
    })
    await test("what a route invalidates is loaded anew by the page", async () => {
      const before = await server.page()
      await server.touch()
      const after = await server.page()
      for (const name of ["user", "own"]) same(after[name].row, before[name].row + 1)
      // Undefined where the page has a second copy of the module, for which the name is taken.
      if (before.strict !== undefined && after.strict !== undefined) same(after.strict.row, before.strict.row + 1)
      same(await server.page(), after)
    })
    await test("a cache that says nothing of copies is not stale, or says that the name is taken", async () => {
      const { taken } = await server.route()
      // One instance of the module, or two that don't share.
      if (taken !== undefined) match(taken, /The name "getStrict" is taken.*`redefine: "/)
    })
    await test("a cache without a name is told of", async () => match(said(), /ZOOCACHE_UNNAMED_CACHE/))
    if (mode === "dev") {
      // A request that meets a file which is being compiled may fail, and Next.js says so.
      beforeReload = said()
      await test("hot reload brings the new code, and leaves no definition behind", async () => {
        for (let edition = 1; edition <= RELOADS; edition += 1) {
          edit("lib/users.js", (text) => text.replace(/edition \d+/, `edition ${edition}`))
          // The second changes lines and what is imported, too.
          if (edition === 2) edit("lib/users.js", (text) => `import "node:os"\n\n${text}`)
          await until(async () => (await server.page()).user.edition === `edition ${edition}`)
          await until(async () => (await server.route()).user.edition === `edition ${edition}`)
          const [page, route, again] = [await server.page(), await server.route(), await server.page()]
          same([page.own.edition, route.own.edition], [`edition ${edition}`, `edition ${edition}`])
          same([again.user, again.own, route.user, route.own], [page.user, page.own, page.user, page.own])
          same(route.functions, [
            ["", "getUser"],
            ["", "getOwn"],
          ])
        }
      })
      await test("what a route invalidates after hot reload is loaded anew by the page", async () => {
        const before = await server.page()
        await server.touch()
        const after = await server.page()
        for (const name of ["user", "own"]) same(after[name].row, before[name].row + 1)
      })
      await test("hot reload of the options gives both the newer ones", async () => {
        edit("lib/cache.js", (text) => text.replaceAll('redefine: "share",', 'redefine: "share", maxLoads: 7,'))
        const reloaded = async () =>
          (await server.page()).user !== undefined && (await server.route()).user !== undefined
        await pause(500)
        await until(reloaded)
        const before = await server.page()
        await server.touch()
        await until(async () => (await server.page()).user.row === before.user.row + 1)
      })
    }
    await test("the packages of the codec and of LMDB are found, and LMDB's thread", async () => {
      same(await server.peers(), { codec: 10_000, lmdb: "kept" })
    })
    await test("nothing is reported", async () => {
      if (/fault:/.test(said()) || /⨯/.test(beforeReload ?? said()))
        throw new Error("the server has said something of an error")
    })
  } finally {
    await server.stop?.()
    console.log(`    ${Math.round((performance.now() - startedAt) / 1000)} s`)
  }
}

/** Starts the server of one combination. */
async function start({ mode, bundler, place }) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  cpSync(fileURLToPath(new URL("app", import.meta.url)), folder, { recursive: true })
  const env = {
    ...process.env,
    APP_ROOT: here,
    APP_LMDB: join(folder, "cache"),
    APP_EXTERNAL: place === "external" ? "1" : "0",
    NEXT_TELEMETRY_DISABLED: "1",
    CI: "1",
    NODE_ENV: mode === "dev" ? "development" : "production",
  }
  const bin = join(here, "node_modules/next/dist/bin/next")
  // Turbopack is the default since 16, webpack before.
  const flags = major >= 16 === (bundler === "turbopack") ? [] : [`--${bundler}`]
  const port = await freePort()
  if (mode === "start") execFileSync(process.execPath, [bin, "build", ...flags], { cwd: folder, env, stdio: "pipe" })
  const args = mode === "dev" ? ["dev", ...flags] : ["start"]
  const child = spawn(process.execPath, [bin, ...args, "-p", String(port)], { cwd: folder, env, stdio: "pipe" })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (output += bytes))
  const ended = new Promise((resolve) => child.once("exit", resolve))
  const url = `http://localhost:${port}`
  const ask = async (path, method = "GET") => {
    const response = await fetch(url + path, { method, signal: AbortSignal.timeout(PATIENCE_MS) })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}\n${text.slice(0, 2000)}`)
    return text
  }
  const stop = async () => {
    child.kill()
    await ended
  }
  try {
    await until(() => child.exitCode !== null || /Ready in/.test(output))
    if (child.exitCode !== null) throw new Error(`next ${args.join(" ")} has ended`)
  } catch (error) {
    await stop()
    error.message += `\n${output}`
    throw error
  }
  return {
    output: () => output,
    stop,
    page: async () => JSON.parse(/<pre>(.*?)<\/pre>/s.exec(await ask("/"))[1].replaceAll("&quot;", '"')),
    route: async () => JSON.parse(await ask("/api/users")),
    touch: () => ask("/api/touch", "POST"),
    peers: async () => JSON.parse(await ask("/api/peers")),
  }
}

function edit(file, change) {
  const path = join(folder, file)
  writeFileSync(path, change(readFileSync(path, "utf8")))
}

/** Resolves when something is so; while a file is being compiled, requests may fail. */
async function until(isSo) {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (;;) {
    const answer = await Promise.resolve()
      .then(isSo)
      .catch((error) => error)
    if (answer === true) return
    if (performance.now() > giveUpAt) throw answer instanceof Error ? answer : new Error("it did not come about")
    await pause(100)
  }
}

function same(actual, expected) {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value))
  if (a !== b) throw new Error(`expected ${b}\n     got ${a}`)
}

function match(text, pattern) {
  if (!pattern.test(text)) throw new Error(`expected ${pattern}\n     got ${text}`)
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
