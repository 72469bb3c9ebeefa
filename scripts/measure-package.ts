import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"

/** The largest bundle of `createCache`, in kilobytes that gzip leaves of it. The goal is 55: less is welcome, more is a fault. */
export const MOST_GZIP_KB = 65

export interface Size {
  readonly minifiedKb: number
  readonly gzipKb: number
  /** Files of the package in the bundle, as paths below `dist/esm`. */
  readonly files: readonly string[]
}

/** The size of a program that imports these names, bundled in a folder in which the package is installed. */
export async function bundleSize(folder: string, text: string): Promise<Size> {
  const entry = join(folder, "size.mjs")
  writeFileSync(entry, text)
  const { outputFiles, metafile } = await build({
    absWorkingDir: folder,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node20",
    write: false,
    metafile: true,
    logLevel: "warning",
  })
  const bytes = outputFiles[0]?.contents ?? new Uint8Array()
  const [output] = Object.values(metafile.outputs)
  // What was looked at and left out has no bytes in it.
  const files = Object.entries(output?.inputs ?? {})
    .filter(([file, { bytesInOutput }]) => bytesInOutput > 0 && file.includes("/dist/"))
    .map(([file]) => file.replace(/^.*\/dist\/(?:esm\/)?/, ""))
  return { minifiedKb: bytes.length / 1024, gzipKb: gzipSync(bytes, { level: 9 }).length / 1024, files }
}

/** What `require("zoocache")` loads. */
export interface Loaded {
  /** Files of the package, as paths below `dist`. */
  readonly files: readonly string[]
  /** Modules of Node.js beyond those of an empty program. */
  readonly builtins: readonly string[]
  /** Files that the first cache on a shared log loads on top. */
  readonly forShared: readonly string[]
}

/** Loads the package in a process of its own. */
export function loadedAtStart(folder: string): Loaded {
  const program = `
    const { dirname, relative, sep } = require("node:path")
    const dist = dirname(require.resolve("zoocache"))
    const others = Object.keys(require.cache).length
    const loaded = () => Object.keys(require.cache).slice(others).map((file) => relative(dist, file).split(sep).join("/"))
    const before = new Set(process.moduleLoadList)
    const { createCache } = require("zoocache")
    const builtins = process.moduleLoadList.filter((name) => !before.has(name))
    const files = loaded()
    const log = { local: false, append() {}, pull: () => new Promise(() => {}), listen: () => () => {}, close() {} }
    void createCache({ log }).close()
    console.log(JSON.stringify({ files, builtins, forShared: loaded().filter((file) => !files.includes(file)) }))
  `
  const file = join(folder, "loaded.js")
  writeFileSync(file, program)
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], { cwd: folder, encoding: "utf8" })
  if (status !== 0) throw new Error(`loaded.js ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as Loaded
}

const STARTS = 20

/** How much longer than an empty module a program takes that imports the package: medians of alternating starts, in ms. */
export function startTimes(folder: string): { readonly imported: number; readonly required: number } {
  const programs = {
    empty: ["empty.mjs", ""],
    imported: ["imported.mjs", 'import "zoocache"\n'],
    emptyRequired: ["empty.cjs", ""],
    required: ["required.cjs", 'require("zoocache")\n'],
  } as const
  const times: Record<keyof typeof programs, number[]> = { empty: [], imported: [], emptyRequired: [], required: [] }
  for (const [file, text] of Object.values(programs)) writeFileSync(join(folder, file), text)
  for (let round = 0; round <= STARTS; round += 1) {
    for (const [name, [file]] of Object.entries(programs) as [keyof typeof programs, readonly [string, string]][]) {
      const begin = performance.now()
      const { status } = spawnSync(process.execPath, [file], { cwd: folder, stdio: "inherit" })
      if (status !== 0) throw new Error(`${file} ended with ${status}`)
      // The first round fills the caches of the system.
      if (round > 0) times[name].push(performance.now() - begin)
    }
  }
  return {
    imported: median(times.imported) - median(times.empty),
    required: median(times.required) - median(times.emptyRequired),
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
