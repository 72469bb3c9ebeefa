import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { fileURLToPath, pathToFileURL } from "node:url"
import { transform } from "esbuild"
import { defineConfig, type Plugin, type TestUserConfig } from "vitest/config"

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

/** What `vitest --mode` runs: the tests, those that take minutes, or all of them with many more cases and rounds. */
const modes = {
  test: { include: ["test"], timeoutMs: 300_000 },
  faults: { include: ["faults"], timeoutMs: 600_000 },
  stress: { include: ["test", "faults", "stress"], timeoutMs: 1_800_000 },
  ioredis5: { include: ["test"], timeoutMs: 300_000 },
}

/** The package of the oldest ioredis that works, by the name that it has here, and the tests that run with it too. */
const ioredis5 = {
  name: "ioredis-5",
  files:
    "test/redis/{backend,connection,guard,lease-conformance,link,log,log-conformance,reconnects,store,store-conformance,support,urls}.test.ts",
}

/**
 * Files that share processes, which saves the start of one for each. All others have one of their own, as must those that
 * look at what belongs to the process: its memory, its default cache, what it has registered with a package, or that
 * replace a module for all that import it.
 */
const sharing = "{behaviour,codec,core,decorators,decorators-legacy,docs,lmdb,model,parity,pitfalls,redis,testing}"
const apart = "contexts|faults|garbage|lifecycle|reconnects|refusals|size"

export default defineConfig(({ mode }) => {
  const { include, timeoutMs } = modes[mode in modes ? (mode as keyof typeof modes) : "test"]
  const isOld = mode === "ioredis5"
  const shared = include.map((kind) => `test/${sharing}/**/!(${apart}).${kind}.ts`)
  // Here and not above: what projects inherit was read without the mode.
  const ofMode: TestUserConfig = {
    // Only what fails waits so long: nothing is too slow, and everything is waited for.
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    expect: { poll: { timeout: timeoutMs / 2 } },
    env: {
      ...(mode === "stress" && !process.env["ZOOCACHE_RUNS"] ? { ZOOCACHE_RUNS: "10000" } : {}),
      ...(isOld ? { ZOOCACHE_IOREDIS: ioredis5.name } : {}),
    },
  }
  return {
    plugins: [typescript()],
    oxc: false,
    resolve: { alias: { ...aliases(), ...(isOld ? { ioredis: ioredis5.name } : {}) } },
    test: {
      globalSetup: ["./test/setup/redis-server.ts", "./test/setup/programs.ts"],
      setupFiles: ["./test/setup/fast-check.ts", "./test/setup/ioredis.ts"],
      reporters: ["default", "./test/setup/closing-line-reporter.ts"],
      pool: "forks",
      execArgv: ["--expose-gc"],
      // More than there are processors: much of what takes long waits for servers and processes.
      maxWorkers: availableParallelism() + 2,
      restoreMocks: true,
      unstubEnvs: true,
      unstubGlobals: true,
      projects: isOld
        ? [{ extends: true, test: { ...ofMode, name: "ioredis 5", include: [ioredis5.files] } }]
        : [
            { extends: true, test: { ...ofMode, name: "shared", include: shared, isolate: false } },
            {
              extends: true,
              test: {
                ...ofMode,
                name: "alone",
                include: include.map((kind) => `test/**/*.${kind}.ts`),
                exclude: shared,
              },
            },
          ],
    },
  }
})
