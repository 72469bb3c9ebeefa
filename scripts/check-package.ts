/**
 * Looks at the package as a user gets it: publint and attw (no rule ignored) on the tarball, and every name of every
 * subpath through `import` and `require`.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { entries, packageJson, root } from "./entries.js"
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
  const { status } = spawnSync(process.execPath, ["compare-exports.mjs", specifier, "listed.json"], {
    cwd: folder,
    stdio: "inherit",
  })
  if (status !== 0) failed = true
}

if (failed) process.exit(1)

function run(name: string, script: string, args: string[]): void {
  console.log(`\n${name}`)
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], { cwd: folder, stdio: "inherit" })
  if (status !== 0) {
    console.error(`${name} failed`)
    failed = true
  }
}
