/**
 * Builds `dist/`:
 *
 * - the library as CommonJS, with everything below `src/core` hoisted into one scope;
 * - for `import` a thin wrapper around the very same files. Two builds would be two libraries in one process, with two
 *   default caches and two `ZooCacheError`s that are no `instanceof` each other;
 * - declarations, which the wrapper's ones re-export for the same reason.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, isAbsolute } from "node:path"
import { rolldown } from "rolldown"
import { entries, root } from "./entries.js"

const dist = `${root}dist`

/**
 * Files that run in a thread of their own: imported by nobody, and started by their path, which is the same as that of the
 * module that starts them.
 */
const threads = [{ name: "chunks/writer-main", file: "lmdb/writer-main", startedBy: "src/lmdb/start-writer.ts" }]
rmSync(dist, { recursive: true, force: true })

const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(
    [...entries.map(({ file }) => ({ name: file, file })), ...threads].map(({ name, file }) => [
      name,
      `src/${file}.ts`,
    ]),
  ),
  platform: "node",
  tsconfig: "tsconfig.json",
  // Dependencies stay outside: optional peers must not be loaded by those who don't have them.
  external: (id) => !id.startsWith(".") && !isAbsolute(id),
  transform: { target: "es2022" },
})
const { output } = await bundle.write({
  dir: dist,
  format: "cjs",
  exports: "named",
  // No `__esModule` mark: with it some bundlers look for a `default` when the wrapper imports the CommonJS file.
  esModule: false,
  // The sources are modules, hence strict; assigning to a frozen value must throw here as it does there.
  strict: true,
  generatedCode: { symbols: false },
  sourcemap: true,
  entryFileNames: "[name].cjs",
  chunkFileNames: "chunks/[name].cjs",
  codeSplitting: {
    // One chunk, and not what each entry happens to share: inside it names are bound directly, across chunks every use
    // is a property look-up.
    groups: [
      { name: "core", test: /[\\/]src[\\/]core[\\/]/ },
      { name: "codec", test: /[\\/]src[\\/]codec[\\/](?!index)/ },
      // In a chunk whoever imports it, so that the thread is always found beside it.
      { name: "lmdb", test: /[\\/]src[\\/]lmdb[\\/](?!index|writer-main)/ },
    ],
  },
})
await bundle.close()

for (const { name, startedBy } of threads) {
  const starter = output.find((part) => part.type === "chunk" && part.moduleIds.some((id) => id.endsWith(startedBy)))
  if (starter === undefined || dirname(starter.fileName) !== dirname(name)) {
    throw new Error(`${startedBy} would not find ${name}.cjs from ${starter?.fileName}`)
  }
}

for (const { file } of entries) {
  const chunk = output.find((part) => part.type === "chunk" && part.isEntry && part.name === file)
  if (chunk?.type !== "chunk") throw new Error(`The bundler made no entry ${file}`)
  if (chunk.exports.includes("default")) throw new Error(`src/${file}.ts has a default export; name it`)
  const names = [...chunk.exports].sort()
  write(
    `${file}.mjs`,
    `import library from "./index.cjs"\n\n${names.map((name) => `export const ${name} = library.${name}\n`).join("")}`,
  )
}

// The folder is CommonJS for whoever reads `.d.ts` and `.cjs.map`; the package around it is not.
write("package.json", `${JSON.stringify({ type: "commonjs" })}\n`)
const tsc = [`${root}node_modules/typescript/bin/tsc`, "-p", `${root}tsconfig.build.json`]
if (spawnSync(process.execPath, tsc, { stdio: "inherit" }).status !== 0) process.exit(1)
for (const { file } of entries) write(`${file}.d.mts`, `export * from "./index.js"\n`)

for (const part of output) {
  if (part.type === "chunk") console.log(`dist/${part.fileName}  ${(part.code.length / 1024).toFixed(1)} KB`)
}

function write(file: string, text: string): void {
  mkdirSync(dirname(`${dist}/${file}`), { recursive: true })
  writeFileSync(`${dist}/${file}`, text)
}
