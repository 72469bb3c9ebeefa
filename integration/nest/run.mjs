/**
 * Compiles the tests and the blocks of docs/recipes/nest.md with tsc and with SWC, and runs both. tsc checks the types
 * against the packed declarations.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { run } from "node:test"
import { spec } from "node:test/reporters"
import { fileURLToPath } from "node:url"
import { transformFileSync } from "@swc/core"
import { installZoocache } from "../install-zoocache.mjs"

const folder = fileURLToPath(new URL("./", import.meta.url))
const build = join(folder, "build")
const recipe = join(folder, "..", "..", "docs", "recipes", "nest.md")

installZoocache(folder)
rmSync(build, { recursive: true, force: true })

const blocks = [...readFileSync(recipe, "utf8").matchAll(/^```ts\n\/\/ src\/(\S+)\n([^]*?)^```$/gm)]
if (blocks.length === 0) throw new Error(`${recipe} has no blocks`)
const write = (path, text) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
for (const [, name, text] of blocks) write(join(build, "ts", "recipe", name), text)
for (const name of readdirSync(join(folder, "test"))) {
  const place = name === "database.ts" ? join("recipe", name) : name
  write(join(build, "ts", place), readFileSync(join(folder, "test", name), "utf8"))
}

execFileSync(process.execPath, [join(folder, "node_modules", "typescript", "bin", "tsc"), "-p", folder], {
  stdio: "inherit",
})
const sources = readdirSync(join(build, "ts"), { recursive: true }).filter((name) => name.endsWith(".ts"))
for (const name of sources) {
  const { code } = transformFileSync(join(build, "ts", name), {
    swcrc: false,
    module: { type: "commonjs" },
    jsc: {
      target: "es2022",
      parser: { syntax: "typescript", decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      keepClassNames: true,
    },
  })
  write(join(build, "swc", name.replace(/\.ts$/, ".js")), code)
}

const files = ["tsc", "swc"].flatMap((compiler) =>
  readdirSync(join(build, compiler))
    .filter((name) => name.endsWith(".test.js"))
    .map((name) => join(build, compiler, name)),
)
let passed = 0
let failed = 0
const stream = run({ files, concurrency: 1 })
stream.on("test:pass", ({ details }) => {
  if (details.type !== "suite") passed += 1
})
stream.on("test:fail", ({ details }) => {
  if (details.type !== "suite") failed += 1
})
stream.compose(new spec()).pipe(process.stdout)
stream.on("end", () => {
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
  setImmediate(() => console.log(`${passed} passed, ${failed} failed`))
})
