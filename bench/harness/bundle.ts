import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"

/**
 * Makes the program of the contestants: plain JavaScript that Node.js runs as it is, with the built library. The
 * sources would be measured through a loader that rewrites them, which is not what users get.
 *
 * It is gone when this process ends. The build is copied first, so that one that is made meanwhile can't change what is measured in the middle of a run.
 */
export async function makeBundle(root: string, dist: string): Promise<string> {
  // Below `bench/node_modules`, so that the peers are found from there, and what they do not bring in the folder above.
  const folder = join(root, "bench", "node_modules", ".cache", "zoocache-bench", String(process.pid))
  rmSync(folder, { recursive: true, force: true })
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.on("exit", remove)
  mkdirSync(folder, { recursive: true })
  cpSync(dist, join(folder, "dist"), { recursive: true })
  const child = join(folder, "child.mjs")
  await build({
    entryPoints: [join(root, "bench", "harness", "child.ts")],
    outfile: child,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
    plugins: [
      {
        name: "packages stay outside",
        setup(plugin) {
          plugin.onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
            if (kind === "entry-point") return undefined
            const ours = /^zoocache(?:\/(.+))?$/.exec(path)
            if (ours === null) return { path, external: true }
            return { path: `./dist/${ours[1] === undefined ? "" : `${ours[1]}/`}index.mjs`, external: true }
          })
        },
      },
    ],
  })
  return child
}

/** Builds the library if there is no build, or if the sources are newer. */
export function ensureBuild(root: string): string {
  const dist = join(root, "dist")
  const main = join(dist, "index.cjs")
  const isCurrent = existsSync(main) && statSync(main).mtimeMs >= newest(join(root, "src"))
  if (!isCurrent) {
    const built = spawnSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] })
    if (built.status !== 0) throw new Error("The library can't be built; `--no-build` measures the build there is.")
  }
  return dist
}

function newest(folder: string): number {
  let newestMs = 0
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    newestMs = Math.max(newestMs, statSync(join(folder, file)).mtimeMs)
  }
  return newestMs
}
