/**
 * Packs the package, installs it outside the project, and runs it where users run it: several versions of Node.js, Bun,
 * Deno, Jest, and TypeScript projects of several kinds. A runtime that can't be had is a failure, not a skip.
 *
 * Runtimes come from the npm registry, as the packages that hold the executable for one platform: they need no install
 * scripts.
 *
 *   npm run test:runtimes              all of it
 *   npm run test:runtimes -- bun deno  only those whose name has one of these words
 */
import { spawn } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { packageJson, root } from "./entries.js"
import { npmCommand, pack, temporaryFolder } from "./pack.js"

interface Target {
  readonly name: string
  /** Returns what goes into the last column of the table. */
  readonly run: () => Promise<string>
}

const minute = 60_000
const platform = `${process.platform}-${process.arch}`
const folder = temporaryFolder()
const executables = new Map<string, Promise<string>>()

const targets: Target[] = [
  // The oldest version that package.json promises, and the newest of each later line.
  ...["20.19.0", "22", "24", "26"].map((version) => ({
    name: `Node.js ${version}`,
    run: async () => {
      const node = await executable(`node-${version}`, nodePackage(), version)
      return await smoke(node, [], await output(node, ["--version"]))
    },
  })),
  ...["20.19.0", "22", "24", "26"].map((version) => ({
    name: `LMDB on Node.js ${version}`,
    run: async () => {
      const node = await executable(`node-${version}`, nodePackage(), version)
      return `${await output(node, ["--version"])}; ${await output(node, ["lmdb.cjs"], await withLmdb)}`
    },
  })),
  {
    name: "Bun",
    run: async () => {
      const bun = await executable("bun", bunPackage(), "latest")
      return await smoke(bun, [], await output(bun, ["--version"]))
    },
  },
  {
    name: "Deno",
    run: async () => {
      const deno = await executable("deno", denoPackage(), "latest")
      const version = (await output(deno, ["--version"])).split(/\s/)[1] ?? "?"
      return await smoke(deno, ["run", "--allow-all", "--no-remote", "--node-modules-dir=manual"], version)
    },
  },
  { name: "Jest on Node.js 20", run: jest },
  { name: "TypeScript CommonJS, node16", run: () => typescript("cjs-node16", { module: "node16" }, "commonjs") },
  {
    name: "TypeScript CommonJS, node10",
    // TypeScript 7 has no node10 any more.
    run: () => typescript("cjs-node10", { module: "commonjs", moduleResolution: "node10" }, "commonjs", "5.9"),
  },
  { name: "TypeScript ESM, nodenext", run: () => typescript("esm-nodenext", { module: "nodenext" }, "module") },
  {
    name: "TypeScript ESM, bundler",
    run: () => typescript("esm-bundler", { module: "esnext", moduleResolution: "bundler" }, "module"),
  },
]

const words = process.argv.slice(2).map((word) => word.toLowerCase())
const chosen = targets.filter(
  ({ name }) => words.length === 0 || words.some((word) => name.toLowerCase().split(/[ ,]+/).includes(word)),
)
if (chosen.length === 0) throw new Error(`No runtime is named like ${words.join(", ")}`)

console.log("Packing …")
const tarball = pack(folder)
const app = await project("app", { type: "commonjs" })
for (const file of ["suite.cjs", "smoke.cjs", "smoke.mjs", "smoke.jest.cjs"]) {
  copyFileSync(join(root, "test", "runtimes", file), join(app, file))
}

const withLmdb = project(
  "app-lmdb",
  { type: "commonjs" },
  Object.entries(packageJson.peerDependencies).map(([name, range]) => `${name}@${range}`),
).then((home) => {
  copyFileSync(join(root, "test", "runtimes", "lmdb.cjs"), join(home, "lmdb.cjs"))
  return home
})

const rows: { runtime: string; result: string; seconds: string; details: string }[] = []
let failed = 0
const queue = [...chosen]
// Two at a time: one downloads while the other computes.
await Promise.all([work(), work()])

rows.sort((a, b) => position(a.runtime) - position(b.runtime))
const width = Math.max(...rows.map(({ runtime }) => runtime.length))
console.log(`\n${packageJson.name} ${packageJson.version}, packed and installed`)
for (const { runtime, result, seconds, details } of rows) {
  console.log(`  ${runtime.padEnd(width)}  ${result.padEnd(6)}  ${seconds.padStart(6)} s  ${details}`)
}
console.log(`Runtimes: ${rows.length - failed} ok, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function work(): Promise<void> {
  for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
    const begin = performance.now()
    let result = "ok"
    let details: string
    try {
      details = await target.run()
    } catch (error) {
      failed++
      result = "FAILED"
      const message = error instanceof Error ? error.message : String(error)
      details = message.split("\n")[0] ?? ""
      console.error(`${target.name}: ${message}`)
      if (error instanceof Error && error.cause instanceof Error) console.error(error.cause.message)
    }
    const seconds = ((performance.now() - begin) / 1000).toFixed(1)
    rows.push({ runtime: target.name, result, seconds, details })
    console.log(`${target.name}: ${result} after ${seconds} s`)
  }
}

function position(name: string): number {
  return targets.findIndex((target) => target.name === name)
}

async function smoke(command: string, args: string[], version: string): Promise<string> {
  const imported = await output(command, [...args, "smoke.mjs"], app)
  const required = await output(command, [...args, "smoke.cjs"], app)
  return `${version}; ${imported}; ${required}`
}

async function jest(): Promise<string> {
  const home = await project("jest", { type: "commonjs", jest: { testMatch: ["**/*.jest.cjs"] } }, ["jest@30"])
  for (const file of ["suite.cjs", "smoke.jest.cjs"]) copyFileSync(join(app, file), join(home, file))
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  const node =
    major === 20 && minor >= 19 ? process.execPath : await executable("node-20.19.0", nodePackage(), "20.19.0")
  const args = ["node_modules/jest/bin/jest.js", "--ci", "--json", "--outputFile", "report.json"]
  const text = await output(node, args, home)
  const report = JSON.parse(readFileSync(join(home, "report.json"), "utf8")) as {
    numPassedTests: number
    numTotalTests: number
  }
  if (report.numPassedTests === 0 || report.numPassedTests !== report.numTotalTests) throw new Error(text)
  return `${await output(node, ["--version"])}; ${report.numPassedTests} tests passed`
}

/** Compiles `consumer.ts` in a project of its own against the packed declarations, and runs the result. */
async function typescript(
  name: string,
  compilerOptions: Record<string, unknown>,
  type: "commonjs" | "module",
  version?: string,
): Promise<string> {
  const types = `@types/node@${installedVersion("@types/node")}`
  const compiler = `typescript@${version ?? installedVersion("typescript")}`
  const home = await project(name, { type }, [types, compiler])
  copyFileSync(join(root, "test", "runtimes", "consumer.ts"), join(home, "consumer.ts"))
  writeFileSync(
    join(home, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "es2022",
        lib: ["es2022"],
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        // Our declarations are part of what is checked.
        skipLibCheck: false,
        ...compilerOptions,
      },
      files: ["consumer.ts"],
    }),
  )
  await output(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"], home)
  const printed = await output(process.execPath, ["consumer.js"], home)
  const { version: used } = JSON.parse(readFileSync(join(home, "node_modules/typescript/package.json"), "utf8")) as {
    version: string
  }
  return `TypeScript ${used}; ${printed}`
}

function installedVersion(name: string): string {
  return (JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as { version: string })
    .version
}

/** A new project with the packed package in it. */
async function project(name: string, manifest: Record<string, unknown>, install: string[] = []): Promise<string> {
  const home = join(folder, name)
  mkdirSync(home)
  writeFileSync(join(home, "package.json"), JSON.stringify({ name, private: true, ...manifest }))
  await npmInstall(home, [tarball, ...install])
  return home
}

/** The executable in a platform package, installed once for all that run on it. */
function executable(name: string, from: PlatformPackage, version: string): Promise<string> {
  const known = executables.get(name) ?? installExecutable(name, from, version)
  executables.set(name, known)
  return known
}

async function installExecutable(
  name: string,
  { name: npmName, file }: PlatformPackage,
  version: string,
): Promise<string> {
  const home = join(folder, `runtime-${name}`)
  mkdirSync(home)
  writeFileSync(join(home, "package.json"), JSON.stringify({ name: "runtime", private: true }))
  try {
    await npmInstall(home, [`${npmName}@${version}`])
  } catch (error) {
    throw new Error(`can't get ${npmName}@${version} from the npm registry, so nothing ran`, { cause: error })
  }
  return join(home, "node_modules", npmName, file)
}

interface PlatformPackage {
  readonly name: string
  readonly file: string
}

function nodePackage(): PlatformPackage {
  return process.platform === "win32"
    ? { name: `node-win-${process.arch}`, file: "bin/node.exe" }
    : { name: `node-${platform}`, file: "bin/node" }
}

function bunPackage(): PlatformPackage {
  const arch = process.arch === "arm64" ? "aarch64" : process.arch
  return process.platform === "win32"
    ? { name: `@oven/bun-windows-${arch}`, file: "bin/bun.exe" }
    : { name: `@oven/bun-${process.platform}-${arch}`, file: "bin/bun" }
}

function denoPackage(): PlatformPackage {
  if (process.platform === "win32") return { name: `@deno/${platform}`, file: "deno.exe" }
  return { name: `@deno/${platform}${process.platform === "linux" ? "-glibc" : ""}`, file: "deno" }
}

async function npmInstall(cwd: string, packages: string[]): Promise<void> {
  const { command, prefix } = npmCommand()
  await output(command, [...prefix, "install", "--no-audit", "--no-fund", "--no-package-lock", ...packages], cwd)
}

/** Runs a command and returns what it printed, without the white space around it; rejects with that on failure. */
function output(command: string, args: string[], cwd = folder): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 2 * minute,
    })
    let printed = ""
    let complained = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complained += text))
    const line = [command, ...args].join(" ")
    child.once("error", (error) => {
      reject(new Error(`could not start ${line}: ${error.message}`))
    })
    child.once("close", (code, signal) => {
      if (code === 0) resolve(printed.trim())
      else
        reject(
          new Error(`${signal ?? `exit code ${code}`} from ${line}\n${shortened(complained)}\n${shortened(printed)}`),
        )
    })
  })
}

function shortened(text: string): string {
  return text.length <= 8000 ? text : `${text.slice(0, 4000)}\n[…]\n${text.slice(-4000)}`
}

/** Without what npm and tsx tell their own children, which would leak into the runtimes. */
function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { DENO_DIR: join(folder, "deno"), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" }
  for (const [name, value] of Object.entries(process.env)) {
    if (
      !/^(?:NODE_OPTIONS|NODE_ENV|npm_package_.*|npm_lifecycle_.*|npm_config_(?:local_prefix|loglevel))$/i.test(name)
    ) {
      env[name] = value
    }
  }
  return env
}
