import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { root } from "./entries.js"

/** A new folder outside the project, so that nothing is found by looking upwards; removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "zoocache-"))
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  })
  return folder
}

/** Builds the package and packs it as `npm publish` would. Returns the path of the tarball. */
export function pack(folder: string): string {
  // `prepack` builds, so the tarball is never an old one.
  const text = npm(["pack", "--json", "--pack-destination", folder], root)
  // What the build prints comes before the JSON.
  const [packed] = JSON.parse(text.slice(text.search(/^\[/m))) as { filename: string }[]
  if (packed === undefined) throw new Error(`npm pack named no file:\n${text}`)
  return join(folder, packed.filename)
}

function npm(args: string[], cwd: string): string {
  const { command, prefix } = npmCommand()
  const result = spawnSync(command, [...prefix, ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  })
  if (result.status === 0) return result.stdout
  console.error(`npm ${args.join(" ")} failed\n${result.error?.message ?? result.stdout}`)
  process.exit(1)
}

/** npm as a script for this Node.js where that is known: Windows can't start `npm` without a shell. */
export function npmCommand(): { command: string; prefix: string[] } {
  const script = process.env["npm_execpath"]
  if (script !== undefined && /npm-cli\.c?js$/.test(script)) return { command: process.execPath, prefix: [script] }
  return { command: "npm", prefix: [] }
}
