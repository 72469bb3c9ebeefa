import { mkdirSync, readdirSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build, type BuildOptions } from "esbuild"
import type { TestProject } from "vitest/node"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** The programs that tests start as processes, by the names that test/support/program.ts takes. */
const programs = {
  child: "test/processes/support/child.ts",
  holder: "test/processes/support/holder.ts",
  leaver: "test/processes/support/leaver.ts",
  "append-and-close": "test/lmdb/support/append-and-close.ts",
  "append-for-ever": "test/lmdb/support/append-for-ever.ts",
  "open-and-close": "test/lmdb/support/open-and-close.ts",
  leak: "test/stress/leak.ts",
  library: "src/index.ts",
  everything: "test/processes/support/everything.ts",
  requests: "test/processes/support/requests.ts",
}

export type ProgramName = keyof typeof programs

/**
 * Runs once, before there are workers: makes JavaScript of the sources for everything that runs outside of Vitest. A
 * process, and the thread that writes for LMDB, then start in a tenth of the time that they take with a loader for
 * TypeScript; the tests start hundreds.
 */
export default async function setup(project: TestProject): Promise<(() => void) | undefined> {
  // Vitest calls this for each project of its configuration.
  if (process.env["ZOOCACHE_PROGRAMS"] !== undefined) return undefined
  // Below `node_modules`, so that packages are found from there.
  const folder = join(root, "node_modules", ".cache", "zoocache-tests", String(process.pid))
  process.env["ZOOCACHE_PROGRAMS"] = folder
  mkdirSync(folder, { recursive: true })
  await buildAll(folder)
  project.onTestsRerun(() => buildAll(folder))
  return () => rmSync(folder, { recursive: true, force: true })
}

async function buildAll(outdir: string): Promise<void> {
  const options: BuildOptions = {
    absWorkingDir: root,
    outdir,
    tsconfig: join(root, "tsconfig.json"),
    bundle: true,
    platform: "node",
    target: "node20",
    logLevel: "warning",
    external: ["ioredis", "lmdb", "msgpackr", "lz4-napi"],
  }
  await Promise.all([
    build({ ...options, entryPoints: programs, format: "esm", outExtension: { ".js": ".mjs" } }),
    // Threads lie where the backend that starts them is itself, under the names that the package has for them.
    build({
      ...options,
      entryPoints: threads(),
      format: "cjs",
      outExtension: { ".js": ".cjs" },
      define: { "import.meta.url": "importMetaUrl" },
      banner: { js: `const importMetaUrl = require("node:url").pathToFileURL(__filename).href` },
    }),
  ])
}

/** Threads that the sources start through a loader: `x-source.mjs` beside `x.ts`. */
function threads(): string[] {
  const folder = join(root, "src", "lmdb")
  const loaders = readdirSync(folder).filter((name) => name.endsWith("-source.mjs"))
  return loaders.map((name) => join(folder, `${basename(name, "-source.mjs")}.ts`))
}
