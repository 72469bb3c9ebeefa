/**
 * `tsx scripts/install-in.ts bench`: installs the packages of folders that have a lock file of their own, unless they are
 * there already. The project's own install does not bring them, so that it stays quick.
 */
import { spawnSync } from "node:child_process"
import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { root } from "./entries.js"
import { npmCommand } from "./pack.js"

for (const name of process.argv.slice(2)) {
  const folder = join(root, name)
  // Npm writes this file last, so an install that was interrupted is done again.
  const installed = join(folder, "node_modules", ".package-lock.json")
  const isCurrent =
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(folder, "package-lock.json")).mtimeMs
  if (isCurrent) continue
  console.log(`Installing the packages of ${name}/ …`)
  const { command, prefix } = npmCommand()
  const { status } = spawnSync(command, [...prefix, "ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit" })
  if (status !== 0) {
    console.error(`The packages of ${name}/ can't be installed: \`npm ci\` in ${folder} shows why.`)
    process.exit(1)
  }
}
