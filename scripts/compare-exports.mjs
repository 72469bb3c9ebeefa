// Run by check-package.ts beside an installed zoocache:
// node compare-exports.mjs <specifier> <file with the wrapper's names> <the ES module for bundlers>
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

const [specifier, file, module] = process.argv.slice(2)
const listed = JSON.parse(readFileSync(file, "utf8"))
const required = createRequire(import.meta.url)(specifier)
const imported = await import(specifier)

const problems = []
for (const name of listed)
  if (!(name in required)) problems.push(`the wrapper lists ${name}, the CommonJS build lacks it`)
for (const name of Object.keys(required)) {
  if (!listed.includes(name)) problems.push(`the CommonJS build has ${name}, the wrapper does not list it`)
  else if (imported[name] !== required[name]) problems.push(`${name} is not the same thing through import and require`)
  // A bundler renames what collides; stack traces and `error.name` would show it.
  if (typeof required[name] === "function" && required[name].name !== name) {
    problems.push(`${name} is named ${JSON.stringify(required[name].name)} in the build`)
  }
}
// Both are in the order of their names: a module's namespace by its nature, and the wrapper because the build sorts.
const bundled = Object.keys(await import(pathToFileURL(module).href))
if (bundled.join() !== listed.join()) {
  problems.push(`the ES module for bundlers has other names than the CommonJS build: ${bundled.join(", ")}`)
}
if (listed.length === 0) problems.push("it exports nothing")

for (const problem of problems) console.error(`${specifier}: ${problem}`)
if (problems.length > 0) process.exit(1)
console.log(`${specifier}: ${listed.length} names, the same through import and require`)
