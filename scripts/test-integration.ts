/**
 * Runs the tests that need a framework, a bundler or a database: packs the package once, and in each folder of `integration/`
 * installs what its lock file says, then the tarball, and runs its tests.
 *
 *   npm run test:integration              all of them
 *   npm run test:integration -- bundlers  only those whose name has one of these words
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { root } from "./entries.js"
import { npmCommand, pack, temporaryFolder } from "./pack.js"

const folder = join(root, "integration")
const words = process.argv.slice(2).map((word) => word.toLowerCase())
const names = readdirSync(folder)
  .filter((name) => existsSync(join(folder, name, "package.json")))
  .filter((name) => words.length === 0 || words.some((word) => name.split("-").includes(word) || name === word))
  .sort()
if (names.length === 0) throw new Error(`Nothing in integration/ is named like ${words.join(", ")}`)

console.log("Packing …")
const tarball = pack(temporaryFolder())
// Without what npm tells its children of this package, which would be taken for settings of theirs.
const env: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_package_|npm_lifecycle_|NODE_ENV$|NODE_OPTIONS$)/i.test(name),
  ),
)
env["ZOOCACHE_TARBALL"] = tarball

const failed: string[] = []
for (const name of names) {
  const begin = performance.now()
  console.log(`\n==> integration/${name}`)
  const isOk =
    npm(name, ["ci", "--no-audit", "--no-fund"]) &&
    npm(name, ["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", tarball]) &&
    npm(name, ["test"])
  if (!isOk) failed.push(name)
  console.log(
    `    integration/${name}: ${isOk ? "ok" : "FAILED"} after ${((performance.now() - begin) / 1000).toFixed(0)} s`,
  )
}
console.log(`\nIntegration: ${names.length - failed.length} ok, ${failed.length} failed ${failed.join(", ")}`.trimEnd())
process.exitCode = failed.length === 0 ? 0 : 1

function npm(name: string, args: string[]): boolean {
  const { command, prefix } = npmCommand()
  const { status } = spawnSync(command, [...prefix, ...args], { cwd: join(folder, name), stdio: "inherit", env })
  return status === 0
}
