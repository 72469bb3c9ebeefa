/**
 * Looks at the package as a user gets it: publint and attw (no rule ignored) on the tarball, every name of every subpath
 * through `import` and `require` and in the ES modules for bundlers, the size of a bundle, and how long an import takes.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { entries, packageJson, root } from "./entries.js"
import { bundleSize, loadedAtStart, MOST_GZIP_KB, startTimes } from "./measure-package.js"
import { pack, temporaryFolder } from "./pack.js"

const folder = temporaryFolder()
const tarball = pack(folder)

let failed = false
run("publint", "node_modules/publint/src/cli.js", ["run", tarball, "--strict"])
run("attw", "node_modules/@arethetypeswrong/cli/dist/index.js", [
  tarball,
  "--no-emoji",
  "--no-color",
  "--format",
  "table-flipped",
])

// A copy outside the project: here `zoocache` would be found by self-reference, installed or not.
const installed = join(folder, "node_modules", packageJson.name)
mkdirSync(installed, { recursive: true })
execFileSync("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"])
cpSync(join(root, "scripts", "compare-exports.mjs"), join(folder, "compare-exports.mjs"))
for (const { specifier, file } of entries) {
  const listed = [...readFileSync(join(installed, "dist", `${file}.mjs`), "utf8").matchAll(/^export const (\w+) = /gm)]
  writeFileSync(join(folder, "listed.json"), JSON.stringify(listed.map(([, name]) => name)))
  const args = ["compare-exports.mjs", specifier, "listed.json", join(installed, "dist", "esm", `${file}.mjs`)]
  const { status } = spawnSync(process.execPath, args, {
    cwd: folder,
    stdio: "inherit",
  })
  if (status !== 0) failed = true
}

console.log("\nsizes, minified")
const memory = await bundleSize(folder, 'export { createCache } from "zoocache"\n')
const everything = await bundleSize(folder, 'export * from "zoocache"\n')
const withLmdb = await bundleSize(
  folder,
  'export { createCache } from "zoocache"\nexport { lmdb } from "zoocache/lmdb"\n',
)
const withRedis = await bundleSize(
  folder,
  'export { createCache } from "zoocache"\nexport { redis } from "zoocache/redis"\n',
)
for (const [name, { minifiedKb, gzipKb }] of Object.entries({ memory, everything, withLmdb, withRedis })) {
  console.log(`${name}: ${minifiedKb.toFixed(1)} KB, ${gzipKb.toFixed(1)} KB gzip`)
}
for (const { files } of [memory, everything]) {
  const foreign = files.filter((file) => !/^(?:core\/|index\.|default-cache\.|storage-url\.|packages\/)/.test(file))
  if (foreign.length > 0) fail(`a bundle of zoocache has parts of a backend in it: ${foreign.join(", ")}`)
}
if (memory.gzipKb > MOST_GZIP_KB) {
  fail(`createCache takes ${memory.gzipKb.toFixed(1)} KB of a bundle, more than ${MOST_GZIP_KB} KB`)
}

// A cache in memory starts with nothing that it may never need.
const loaded = loadedAtStart(folder)
console.log(`\nloaded at the start: ${loaded.files.join(", ")}; of Node.js ${loaded.builtins.length} modules`)
const early = [
  ...loaded.files.filter((file) => !/^(?:index|chunks\/core|chunks\/packages)\.cjs$/.test(file)),
  ...loaded.builtins.filter((name) => name.endsWith(" crypto")),
]
if (early.length > 0) fail(`a start loads what it does not need: ${early.join(", ")}`)
if (loaded.forShared.join() !== "chunks/shared.cjs") {
  fail(`the first shared cache loads ${loaded.forShared.join(", ") || "nothing"} in place of its parts`)
}

// Reported and not judged: times are no tests.
const { imported, required } = startTimes(folder)
console.log(`\nstart, above an empty module: import ${imported.toFixed(1)} ms, require ${required.toFixed(1)} ms`)

if (failed) process.exit(1)

function fail(problem: string): void {
  console.error(problem)
  failed = true
}

function run(name: string, script: string, args: string[]): void {
  console.log(`\n${name}`)
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], { cwd: folder, stdio: "inherit" })
  if (status !== 0) {
    console.error(`${name} failed`)
    failed = true
  }
}
