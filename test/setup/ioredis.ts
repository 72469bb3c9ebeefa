import Module, { createRequire } from "node:module"

/** With `vitest --mode ioredis5`, ioredis is the oldest version that package.json allows, whoever loads it. */
const alias = process.env["ZOOCACHE_IOREDIS"]
if (alias !== undefined) {
  const loader = Module as unknown as { _resolveFilename: (name: string, ...rest: unknown[]) => string }
  const { _resolveFilename: resolve } = loader
  loader._resolveFilename = (name, ...rest) => resolve(name.replace(/^ioredis(?=\/|$)/, alias), ...rest)
  const { version } = createRequire(import.meta.url)("ioredis/package.json") as { version: string }
  if (!version.startsWith("5.3.")) throw new Error(`These tests are for ioredis 5.3, and would run with ${version}`)
}
