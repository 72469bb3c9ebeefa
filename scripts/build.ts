/**
 * Builds `dist/`:
 *
 * - the library as CommonJS, with everything below `src/core` hoisted into one scope;
 * - for `import` in Node.js a thin wrapper around the very same files. Two builds would be two libraries in one process, with
 *   two `ZooCacheError`s that are no `instanceof` each other;
 * - for bundlers, below `dist/esm`, an ES module for each source file, of which they take what is used;
 * - declarations, which the wrapper's ones re-export for the same reason as above.
 *
 * See docs/adr/0032-es-modules-for-bundlers.md.
 */
import { spawnSync } from "node:child_process"
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, isAbsolute, join, posix } from "node:path"
import { type InputOptions, type Plugin, rolldown } from "rolldown"
import { entries, packageJson, root } from "./entries.js"

const dist = `${root}dist`

/**
 * Files that run in a thread of their own: imported by nobody, and started by their path, which is the same as that of the
 * module that starts them.
 */
const threads = [{ name: "chunks/writer-main", file: "lmdb/writer-main" }]
/** What only a shared cache has. In a file of its own, which the core loads by its path when the first one is made. */
const shared = { name: "chunks/shared", file: "core/cache/all-shared-parts" }
rmSync(dist, { recursive: true, force: true })

const common: InputOptions = {
  cwd: root,
  platform: "node",
  tsconfig: "tsconfig.json",
  transform: {
    target: "es2022",
    define: {
      ZOOCACHE_VERSION: JSON.stringify(packageJson.version),
      // Minifiers write `1/0` for these, and leave the others as they are.
      "Number.POSITIVE_INFINITY": "Infinity",
      "Number.NEGATIVE_INFINITY": "-Infinity",
    },
  },
}
// A third of the text that Node.js would read at each start. The source maps have them, and the declarations.
const comments = { legal: false, annotation: true, jsdoc: false }
const inputs = entries.map(({ file }) => ({ name: file, file }))
const inMemory = await buildEsModules(inputs)
const commonJs = await buildCommonJs([...inputs, shared])
// In one file each, so that they can be copied beside a bundle. One after the other: each would write the same chunks.
for (const thread of threads) await buildCommonJs([thread])

const exported = new Map<string, readonly string[]>()
for (const { file } of entries) {
  const chunk = commonJs.find((part) => part.type === "chunk" && part.isEntry && part.name === file)
  if (chunk?.type !== "chunk") throw new Error(`The bundler made no entry ${file}`)
  if (chunk.exports.includes("default")) throw new Error(`src/${file}.ts has a default export; name it`)
  const names = [...chunk.exports].sort()
  exported.set(file, names)
  // Node.js looks through the text of what is imported for names. It finds none in this one, and is soon done with it.
  write(`${dirname(file)}/library.cjs`, 'const library = require("./index.cjs")\n\nmodule.exports = library\n')
  write(
    `${file}.mjs`,
    `import library from "./library.cjs"\n\n${names.map((name) => `export const ${name} = library.${name}\n`).join("")}`,
  )
}

// Whoever imports anything there is told at once. The names are for bundlers, which look for them.
const refusal =
  "zoocache needs Node.js, Bun or Deno, and this is code for an edge runtime, such as that of Next.js or Cloudflare's workerd: " +
  "these lack modules of Node.js, or tie a load to the request that began it. In Next.js write `export const runtime = " +
  '"nodejs"`, which is the default, in the file of the route or page.'
const names = [...new Set([...exported.values()].flat())].sort()
write(
  "edge.mjs",
  `throw new Error(${JSON.stringify(refusal)})\n\n${names.map((name) => `export const ${name} = undefined\n`).join("")}`,
)

// The folder is CommonJS for whoever reads `.d.ts` and `.cjs.map`; the package around it is not.
write("package.json", `${JSON.stringify({ type: "commonjs" })}\n`)
const tsc = [`${root}node_modules/typescript/bin/tsc`, "-p", `${root}tsconfig.build.json`]
if (spawnSync(process.execPath, tsc, { stdio: "inherit" }).status !== 0) process.exit(1)
for (const { file } of entries) write(`${file}.d.mts`, `export * from "./index.js"\n`)

for (const part of commonJs) {
  if (part.type === "chunk") console.log(`dist/${part.fileName}  ${(part.code.length / 1024).toFixed(1)} KB`)
}

type Inputs = readonly { readonly name: string; readonly file: string }[]

async function buildCommonJs(inputs: Inputs) {
  const bundle = await rolldown({
    ...common,
    input: inputOf(inputs),
    // Dependencies stay outside: optional peers must not be loaded by those who don't have them. So do files of this build
    // that are loaded when they are used, by their path.
    external: (id) => (!id.startsWith(".") && !isAbsolute(id)) || id.endsWith(".cjs"),
    plugins: [
      instead("packages/installed", "packages/installed-commonjs"),
      instead("core/cache/parts-at-hand", "core/cache/parts-in-commonjs"),
      instead("shared", "shared-commonjs"),
    ],
  })
  const isThread = inputs.length === 1
  const { output } = await bundle.write({
    dir: dist,
    format: "cjs",
    exports: "named",
    // No `__esModule` mark: with it some bundlers look for a `default` when the wrapper imports the CommonJS file.
    esModule: false,
    // The sources are modules, hence strict; assigning to a frozen value must throw here as it does there.
    strict: true,
    comments,
    generatedCode: { symbols: false },
    sourcemap: true,
    entryFileNames: "[name].cjs",
    chunkFileNames: "chunks/[name].cjs",
    ...(isThread
      ? {}
      : {
          codeSplitting: {
            // One chunk, and not what each entry happens to share: inside it names are bound directly, across chunks every
            // use is a property look-up.
            groups: [
              { name: "core", test: (id) => /[\\/]src[\\/]core[\\/]/.test(id) && !isOnlyShared(id) },
              // In a chunk whoever imports it, so that what it loads by its path is always found beside it.
              { name: "packages", test: /[\\/]src[\\/]packages[\\/]/ },
              { name: "codec", test: /[\\/]src[\\/]codec[\\/](?!index)/ },
              { name: "lmdb", test: /[\\/]src[\\/]lmdb[\\/](?!index|writer-main)/ },
            ],
          },
        }),
  })
  await bundle.close()
  return output
}

/** Whether a module of the core is there for shared caches alone. The tools of `base` are small, and backends use them too. */
function isOnlyShared(id: string): boolean {
  return !inMemory.has(id) && !/[\\/]core[\\/]base[\\/]|parts-in-commonjs\.ts$/.test(id)
}

/** Answers with the sources that a cache in memory takes. */
async function buildEsModules(inputs: Inputs): Promise<ReadonlySet<string>> {
  const bundle = await rolldown({
    ...common,
    input: inputOf(inputs),
    external: (id) => !id.startsWith(".") && !isAbsolute(id),
    plugins: [instead("core/cache/parts-at-hand", "core/cache/parts-in-bundles")],
  })
  const { output } = await bundle.write({
    dir: `${dist}/esm`,
    format: "es",
    preserveModules: true,
    preserveModulesRoot: "src",
    comments,
    generatedCode: { symbols: false },
    entryFileNames: "[name].mjs",
  })
  await bundle.close()
  for (const { name } of inputs) {
    // Nitro asks for the condition `module` as it looks which files to copy, and Node.js for `import` as it runs the copy. What
    // copies files follows this URL. No `import`: rollup would read all that it leads to.
    const wrapper = posix.relative(dirname(`esm/${name}`), `${name}.mjs`)
    appendFileSync(`${dist}/esm/${name}.mjs`, `if (false) new URL("${wrapper}", import.meta.url)\n`)
  }
  const chunks = new Map(output.flatMap((part) => (part.type === "chunk" ? [[part.fileName, part] as const] : [])))
  const reached = new Set<string>(["index.mjs"])
  for (const fileName of reached) for (const imported of chunks.get(fileName)?.imports ?? []) reached.add(imported)
  return new Set([...reached].flatMap((fileName) => chunks.get(fileName)?.moduleIds ?? []))
}

/** Builds one source in place of another that has the same exports. */
function instead(replaced: string, by: string): Plugin {
  return {
    name: `instead of ${replaced}`,
    resolveId(id, importer) {
      if (importer === undefined || !id.startsWith(".")) return undefined
      return join(dirname(importer), id) === join(root, "src", `${replaced}.js`)
        ? join(root, "src", `${by}.ts`)
        : undefined
    },
  }
}

function inputOf(inputs: Inputs): Record<string, string> {
  return Object.fromEntries(inputs.map(({ name, file }) => [name, `src/${file}.ts`]))
}

function write(file: string, text: string): void {
  mkdirSync(dirname(`${dist}/${file}`), { recursive: true })
  writeFileSync(`${dist}/${file}`, text)
}
