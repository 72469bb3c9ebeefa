/** The packed package in a folder of tests: what `ZOOCACHE_TARBALL` names is there already; else the build is packed. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))

export function installZoocache(folder) {
  if (process.env.ZOOCACHE_TARBALL) return
  const packed = mkdtempSync(join(tmpdir(), "zoocache-packed-"))
  try {
    const npm = (args, cwd) =>
      execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
    const [{ filename }] = JSON.parse(npm(["pack", "--ignore-scripts", "--json", "--pack-destination", packed], root))
    npm(["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", join(packed, filename)], folder)
  } finally {
    rmSync(packed, { recursive: true, force: true })
  }
}
