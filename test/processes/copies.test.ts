/** Two copies of the library in one process: a second install, a second version, `import` beside `require`. */
import { execFile } from "node:child_process"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { buildSync } from "esbuild"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { program } from "../support/program.js"

let folder: string
/** Paths of the copies: two modules, and a script whose names are made short. */
let copies: { readonly first: string; readonly second: string; readonly required: string }

beforeAll(() => {
  // Beside the programs, so that packages are found, and the threads of LMDB.
  folder = mkdtempSync(join(dirname(program("everything")), "copies-"))
  copies = { first: join(folder, "first.mjs"), second: join(folder, "second.mjs"), required: join(folder, "third.cjs") }
  cpSync(program("everything"), copies.first)
  cpSync(program("everything"), copies.second)
  cpSync(join(dirname(program("everything")), "writer-main.cjs"), join(folder, "writer-main.cjs"))
  buildSync({
    entryPoints: ["src/index.ts"],
    outfile: copies.required,
    bundle: true,
    minify: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    logLevel: "error",
    external: ["ioredis", "lmdb", "msgpackr", "lz4-napi"],
    define: { "import.meta.url": "importMetaUrl" },
    banner: { js: `const importMetaUrl = require("node:url").pathToFileURL(__filename).href` },
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs code that has the copies as `a`, `b` and `c`; what it `say`s comes back. */
async function run(body: string, before = ""): Promise<{ said: unknown; warnings: string[] }> {
  const script = `
    import { createRequire } from "node:module"
    const warnings = []
    process.on("warning", ({ name, code, message }) => warnings.push([name, code, message].join(" ")))
    ${before}
    const a = await import(${JSON.stringify(pathToFileURL(copies.first).href)})
    const b = await import(${JSON.stringify(pathToFileURL(copies.second).href)})
    const c = createRequire(import.meta.url)(${JSON.stringify(copies.required)})
    let said
    const say = (value) => { said = value }
    const caught = (promise) => promise.then(() => undefined, (error) => error)
    ${body}
    await new Promise((resolve) => setTimeout(resolve, 1))
    console.log(JSON.stringify({ said, warnings }))
    process.exit(0)
  `
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script])
  return JSON.parse(stdout) as { said: unknown; warnings: string[] }
}

describe.each(["b", "c"])("two copies of the library, a and %s,", (other) => {
  test("see each other's loads: what is said by one counts in a load of the other", async () => {
    const { said, warnings } = await run(`
      const cache = a.createCache()
      let loads = 0
      const load = cache.cacheable(async () => {
        await 1
        ${other}.addDeps("row:1")
        return [++loads, ${other}.currentLoad().key]
      }, { name: "load" })
      await load()
      await cache.invalidate("row:1")
      say(await load())
    `)
    expect({ said, warnings }).toEqual({ said: [2, "ƒ:load::"], warnings: [] })
  })

  test("tell of a function over a cached function of the other, whose result is not stored", async () => {
    const { said } = await run(`
      const faults = []
      const outerCache = a.createCache({ onFault: ({ error }) => faults.push(error.name) })
      const innerCache = ${other}.createCache()
      let row = 1
      const inner = innerCache.cacheable(async () => row, { name: "inner", deps: ["row"] })
      const outer = outerCache.cacheable(() => inner(), { name: "outer" })
      await outer()
      row = 2
      await innerCache.invalidate("row")
      say([await outer(), faults])
    `)
    expect(said).toEqual([2, ["ForeignCacheError", "ForeignCacheError"]])
  })

  test("see a cycle that leads through both", async () => {
    const { said } = await run(`
      const [one, two] = [a.createCache(), ${other}.createCache()]
      const first = one.cacheable(async () => second(), { name: "first" })
      const second = two.cacheable(async () => first(), { name: "second" })
      const error = await caught(first())
      say([error.code, error instanceof a.LoadCycleError, error instanceof ${other}.LoadCycleError])
    `)
    expect(said).toEqual(["ERR_ZOOCACHE_LOAD_CYCLE", true, true])
  })

  test("keep their transactions apart", async () => {
    const { said } = await run(`
      const [one, two] = [a.createCache(), ${other}.createCache()]
      await one.set("key", 1, { deps: ["row"] })
      await two.set("key", 1, { deps: ["row"] })
      await one.transaction(async () => {
        await one.invalidate("row")
        await two.transaction(async () => void two.delete("other"))
        say([await one.get("key"), await two.get("key")])
      })
    `)
    expect(said).toEqual([null, 1])
  })

  test("leave a storage of the user alone, and theirs rests while no load runs", async () => {
    const { said } = await run(`
      const { AsyncLocalStorage } = await import("node:async_hooks")
      const mine = new AsyncLocalStorage()
      const seen = []
      const note = async () => { seen.push(mine.getStore()); await 1; seen.push(mine.getStore()) }
      const [one, two] = [a.createCache(), ${other}.createCache()]
      await mine.run("mine", async () => {
        for (const cache of [one, two, one]) {
          await cache.getOrLoad("key " + seen.length, note)
          await new Promise((resolve) => setTimeout(resolve, 2))
          await cache.get("key")
          seen.push(mine.getStore(), String(a.currentLoad()), String(${other}.currentLoad()))
        }
      })
      say([...new Set(seen)])
    `)
    expect(said).toEqual(["mine", "undefined"])
  })

  test("have one default cache, and its settings once", async () => {
    const { said } = await run(`
      let row = 1
      const options = () => ({ ttl: "1h", onFault: () => {}, redefine: "share" })
      a.configure(options())
      ${other}.configure(options())
      const clash = await caught((async () => ${other}.configure({ ttl: "2h" }))())
      const here = a.cacheable(async () => row, { name: "load", deps: ["row"] })
      const there = ${other}.cacheable(async () => row, { name: "load", deps: ["row"] })
      const found = [await here(), await there()]
      row = 2
      await ${other}.invalidate("row")
      found.push(await here(), there.peek())
      await ${other}.reset()
      row = 3
      found.push(await here(), Object.keys(a.stats().functions).length)
      say([found, a.defaultCache() === ${other}.defaultCache(), clash.code])
    `)
    expect(said).toEqual([[1, 1, 2, 2, 3, 2], true, "ERR_ZOOCACHE_CONFIGURATION"])
  })

  test("refuse a name that both define on the default cache, unless told to share it", async () => {
    const { said } = await run(`
      const here = a.cacheable(async () => 1, { name: "load", deps: ["row"] })
      const there = ${other}.cacheable(async () => 1, { name: "load", deps: ["row"] })
      await here()
      const error = await caught(there())
      await ${other}.invalidate("row")
      say([error instanceof a.DuplicateNameError, error.recurrence, here.peek()])
    `)
    expect(said).toEqual([true, "elsewhere", null])
  })

  test("have one cache of a name", async () => {
    const { said } = await run(`
      const make = (library) => library.createCache({ name: "app", ttl: "1h" })
      const cache = make(a)
      const same = make(${other}) === cache
      await cache.close()
      say([same, make(${other}) === cache, make(a) === make(${other})])
    `)
    expect(said).toEqual([true, false, true])
  })

  test("know each other's caches: a store for Keyv of one is over a cache of the other", async () => {
    const { said } = await run(`
      const cache = ${other}.createCache()
      const store = a.keyvStore(cache, { deps: (key) => ["row:" + key] })
      await store.set("1", "before")
      const found = [await store.get("1")]
      // Within a load of that cache, what is set counts as read when the load began.
      await cache.getOrLoad("around", async () => {
        await cache.invalidate("row:1")
        await store.reading(() => store.set("1", "too old"))
      })
      found.push(await store.get("1"))
      let refused
      for (const wrong of [undefined, null, {}, "cache", { get() {}, set() {} }]) {
        try { a.keyvStore(wrong) } catch (error) { refused = [...(refused ?? []), error.code] }
      }
      say([found, refused.length, new Set(refused).size, refused[0]])
    `)
    expect(said).toEqual([["before", null], 5, 1, "ERR_ZOOCACHE_INVALID_OPTION"])
  })

  test("know each other's errors, by class and whatever a minifier calls it", async () => {
    const { said } = await run(`
      const wrong = []
      const names = Object.keys(a).filter((name) => name.endsWith("Error"))
      const make = ({ prototype }) => Object.create(prototype)
      for (const name of names) {
        for (const [mine, theirs] of [[a, ${other}], [${other}, a]]) {
          const error = make(theirs[name])
          for (const each of names) {
            const isOf = each === name || each === "ZooCacheError"
            if (error instanceof mine[each] !== isOf) wrong.push([name, each])
          }
        }
        if (new Error("x") instanceof a[name] || {} instanceof a[name] || null instanceof a[name]) wrong.push(name)
      }
      const error = await caught(${other}.createCache().invalidate("user 42"))
      class Own extends a.StoreError {}
      const own = new Own("read", 1)
      say([names.length > 15, wrong, error.name, error instanceof a.InvalidTagError, error instanceof a.InvalidKeyError,
        own.name, own instanceof a.StoreError, new a.StoreError("read", 1) instanceof Own])
    `)
    expect(said).toEqual([true, [], "InvalidTagError", true, false, "Own", true, false])
  })
})

test("two copies that open one LMDB directory share what is open", async () => {
  const { said } = await run(`
    const path = ${JSON.stringify(join(folder, "data"))}
    const [one, two] = [a.createCache({ backend: a.lmdb({ path }) }), b.createCache({ backend: b.lmdb({ path }) })]
    await one.ready()
    await two.ready()
    await one.set("key", "value", { deps: ["row"] })
    await two.sync()
    const before = await two.get("key")
    await one.close()
    await two.invalidate("row")
    say([before, await two.get("key")])
    await two.close()
  `)
  expect(said).toEqual(["value", null])
})

test("copies that can't see each other's loads are told of once", async () => {
  const later = `globalThis[Symbol.for("zoocache.copies")] = new Map([["frames", new Set([1000])]])`
  const { warnings } = await run("", later)
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toMatch(/^ZooCacheWarning ZOOCACHE_TWO_VERSIONS .*npm ls zoocache/)
})
