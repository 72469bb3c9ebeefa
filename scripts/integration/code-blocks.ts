/**
 * The code of the documentation, as files that run: each fence with `file=<name>` in its first line becomes that file, and
 * several of one name are one file. So what a page shows is what its test runs.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { root } from "../entries.js"

const FENCE = /^```\w+ file=(\S+)\n([^]*?)^```$/gm

/** The files that a page of Markdown shows. Throws where it shows none, or has a fence of code that belongs to no file. */
export function filesOf(page: string, text: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const [, name = "", code = ""] of text.matchAll(FENCE)) {
    const before = files.get(name)
    files.set(name, before === undefined ? code : `${before}\n${code}`)
  }
  if (files.size === 0) throw new Error(`${page} shows no file: a fence needs \`file=<name>\` after its language`)
  const untold = /^```(?:ts|tsx|js|mts|cts)(?! file=)(?: .*)?$/m.exec(text)
  if (untold !== null) throw new Error(`${page} has code that no test runs: ${untold[0]}`)
  return files
}

/**
 * Writes the files of each page below `docs/<folder>` to `<into>/<page>/`, beside what lies in `fixtures`.
 */
export function writePages(folder: string, pages: readonly string[], into: string, fixtures?: string): void {
  rmSync(into, { recursive: true, force: true })
  for (const page of pages) {
    const path = join(root, "docs", folder, `${page}.md`)
    const home = join(into, page)
    mkdirSync(home, { recursive: true })
    if (fixtures !== undefined) {
      for (const fixture of readdirSync(fixtures)) copyFileSync(join(fixtures, fixture), join(home, fixture))
    }
    for (const [name, code] of filesOf(basename(path), readFileSync(path, "utf8"))) {
      writeFileSync(join(home, name), code)
    }
  }
}
