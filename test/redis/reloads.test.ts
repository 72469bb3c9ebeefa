/** Hot reload on a real server: each reload makes options, backends and functions anew, of the same text. */
import { execFile } from "node:child_process"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { program } from "../support/program.js"
import { RedisServer } from "./support/server.js"

const RELOADS = 20

/** What the code of an application says each time that it is loaded, with a library that is loaded with it. */
const applications = {
  "the default cache": `
    export const define = (library, url) => {
      library.configure({ storageUrl: url, redefine: "replace", onFault: () => {} })
      const load = library.cacheable(async () => 1, { name: "load", deps: ["row"] })
      return { load, cache: library.defaultCache() }
    }`,
  "a cache with a name": `
    export const define = (library, url) => {
      const backend = library.redis({ url, readTimeout: 1000 })
      const cache = library.createCache({ name: "app", backend, redefine: "replace", onFault: () => {} })
      return { load: cache.cacheable(async () => 1, { name: "load", deps: ["row"] }), cache }
    }`,
}

test.each(Object.entries(applications))("%s has the connections of one after twenty reloads", async (_name, code) => {
  await using server = await RedisServer.start()
  const script = `
    import { Redis } from "ioredis"
    const [url, library, code] = ${JSON.stringify([server.url, pathToFileURL(program("everything")).href, code])}
    const admin = new Redis(url)
    const connections = async () => (await admin.client("LIST")).trim().split("\\n").length - 1
    const counts = []
    let last
    for (let reload = 0; reload <= ${RELOADS}; reload += 1) {
      const { define } = await import("data:text/javascript," + encodeURIComponent(code) + "//" + reload)
      last = define(await import(library + "?reload=" + reload), url)
      await last.cache.ready()
      if ((await last.load()) !== 1) throw new Error("no value")
      counts.push(await connections())
    }
    console.log(JSON.stringify({ counts, functions: Object.keys(last.cache.stats().functions) }))
    process.exit(0)
  `
  const cwd = new URL("../../", import.meta.url)
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], { cwd })
  const { counts, functions } = JSON.parse(stdout) as { counts: number[]; functions: string[] }
  expect(counts[0]).toBeGreaterThan(0)
  expect(new Set(counts).size).toBe(1)
  expect(functions).toEqual(["", "load"])
})
