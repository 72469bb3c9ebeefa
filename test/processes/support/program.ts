import { mkdirSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type BuildOptions, buildSync } from "esbuild"

const root = fileURLToPath(new URL("../../../", import.meta.url))

const programs = ["child", "holder", "leaver"] as const

let folder: string | undefined

/**
 * child.ts, holder.ts or leaver.ts as one file of JavaScript, made of the sources. A process then starts in a tenth of the time
 * that it takes with a loader for TypeScript, and some tests start hundreds.
 */
export function program(name: (typeof programs)[number]): string {
  folder ??= build()
  return `${folder}/${name}.mjs`
}

function build(): string {
  // Below `node_modules`, so that packages are found from there.
  const outdir = `${root}node_modules/.cache/zoocache-processes/${process.pid}`
  process.on("exit", () => rmSync(outdir, { recursive: true, force: true }))
  mkdirSync(outdir, { recursive: true })
  const options: BuildOptions = {
    outdir,
    tsconfig: `${root}tsconfig.json`,
    bundle: true,
    platform: "node",
    target: "node20",
    logLevel: "warning",
    external: ["ioredis", "lmdb", "msgpackr", "lz4-napi"],
  }
  const entryPoints = programs.map((name) => `${root}test/processes/support/${name}.ts`)
  buildSync({ ...options, entryPoints, format: "esm", outExtension: { ".js": ".mjs" } })
  // The backend looks for its thread where it is itself, under the name that the package has for it.
  buildSync({
    ...options,
    entryPoints: [`${root}src/lmdb/writer-main.ts`],
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    define: { "import.meta.url": "importMetaUrl" },
    banner: { js: `const importMetaUrl = require("node:url").pathToFileURL(__filename).href` },
  })
  return outdir
}
