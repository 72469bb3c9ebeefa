/**
 * `tsx ../../scripts/integration/install-package.ts`, run in a package below `integration/`: puts the packed package into
 * its `node_modules`. Where `ZOOCACHE_TARBALL` is set, whoever set it has installed that tarball already.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { root } from "../entries.js"
import { npmCommand, temporaryFolder } from "../pack.js"

const home = process.cwd()
const installed = join(home, "node_modules", "zoocache")
const given = process.env["ZOOCACHE_TARBALL"]

if (given === undefined || !existsSync(join(installed, "package.json"))) {
  const tarball = given ?? packBuilt()
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(installed, { recursive: true })
  execFileSync("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"])
}

/** Packs what has been built: `npm run build` in the project comes before. */
function packBuilt(): string {
  if (!existsSync(join(root, "dist", "index.mjs"))) throw new Error("There is no dist/: run `npm run build` first")
  const folder = temporaryFolder()
  const { command, prefix } = npmCommand()
  const text = execFileSync(command, [...prefix, "pack", "--ignore-scripts", "--json", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  })
  const [packed] = JSON.parse(text.slice(text.search(/^\[/m))) as { filename: string }[]
  if (packed === undefined) throw new Error(`npm pack named no file:\n${text}`)
  return join(folder, packed.filename)
}
