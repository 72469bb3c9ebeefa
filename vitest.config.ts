import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { fileURLToPath, pathToFileURL } from "node:url"
import { transform } from "esbuild"
import { defineConfig, type Plugin } from "vitest/config"

// With the slashes that Vite uses on every system: a module under two spellings would be loaded twice.
const root = fileURLToPath(new URL("./", import.meta.url)).replaceAll("\\", "/")

/** `zoocache` and `zoocache/<name>` are the sources, so that `npm test` needs no build. */
function aliases(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { exports: Record<string, unknown> }
  const names = Object.keys(exports).filter((name) => name !== "./package.json")
  // The longest name first: an alias also matches what begins with it and a slash.
  return Object.fromEntries(
    names
      .sort((a, b) => b.length - a.length)
      .map((name) => [`zoocache${name.slice(1)}`, `${root}src${name.slice(1)}/index.ts`]),
  )
}

/**
 * Vite's own transformer (oxc) does not lower standard decorators, and Node.js does not run them.
 * esbuild does both forms; a folder named `decorators-legacy` gets the legacy one.
 */
function typescript(): Plugin {
  return {
    name: "zoocache:typescript",
    enforce: "pre",
    async transform(code, id) {
      const [file = ""] = id.split("?")
      if (!/\.[cm]?ts$/.test(file) || file.includes("/node_modules/")) return null
      const legacy = file.includes("/decorators-legacy/")
      const result = await transform(code, {
        loader: "ts",
        target: "es2022",
        sourcefile: file,
        sourcemap: "external",
        tsconfigRaw: {
          compilerOptions: {
            experimentalDecorators: legacy,
            useDefineForClassFields: true,
            verbatimModuleSyntax: true,
          },
        },
      })
      return { code: withBuiltThreads(result.code), map: result.map }
    },
  }
}

/**
 * A thread that the sources start through a loader for TypeScript is started from what test/setup/programs.ts has built:
 * the tests open hundreds of LMDB environments, and each has a thread.
 */
function withBuiltThreads(code: string): string {
  return code.replaceAll(/"\.\/([\w-]+)-source\.mjs"/g, (_match, name: string) =>
    JSON.stringify(pathToFileURL(`${process.env["ZOOCACHE_PROGRAMS"]}/${name}.cjs`).href),
  )
}

export default defineConfig(({ mode }) => {
  const stress = mode === "stress"
  return {
    plugins: [typescript()],
    oxc: false,
    resolve: { alias: aliases() },
    test: {
      include: stress ? ["test/**/*.{test,stress}.ts"] : ["test/**/*.test.ts"],
      globalSetup: ["./test/setup/redis-server.ts", "./test/setup/programs.ts"],
      setupFiles: ["./test/setup/fast-check.ts"],
      reporters: ["default", "./test/setup/closing-line-reporter.ts"],
      // A process per file: tests of async contexts, of `close()` and of garbage collection must not see each other.
      pool: "forks",
      execArgv: ["--expose-gc"],
      // As many as there are processors, less one, is one of two: most of what takes long waits.
      maxWorkers: Math.max(2, availableParallelism() - 1),
      // Only what fails waits so long: a second, the default, is little for a slow disk.
      expect: { poll: { timeout: 15_000 } },
      testTimeout: stress ? 600_000 : 20_000,
      env: stress && !process.env["ZOOCACHE_RUNS"] ? { ZOOCACHE_RUNS: "10000" } : {},
      restoreMocks: true,
      unstubEnvs: true,
      unstubGlobals: true,
    },
  }
})
