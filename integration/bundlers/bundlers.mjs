import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createRequire } from "node:module"

const require = createRequire(import.meta.url)

/** What builds `entry` into the file `outFile` of `outFolder`; `external` are the packages that stay outside. */
export const bundlers = [
  {
    name: "esbuild",
    version: () => require("esbuild").version,
    formats: ["esm", "cjs"],
    async build({ entry, outFolder, format, external }) {
      const { build } = await import("esbuild")
      const outfile = join(outFolder, `main.${extensionOf(format)}`)
      const options = { entryPoints: [entry], outfile, bundle: true, platform: "node", format, external }
      await build({ ...options, logLevel: "warning", minify: format === "esm" })
      return outfile
    },
  },
  {
    name: "rollup",
    version: () => require("rollup").VERSION,
    formats: ["esm", "cjs"],
    async build({ entry, outFolder, format, external }) {
      const { rollup } = await import("rollup")
      const { default: resolve } = await import("@rollup/plugin-node-resolve")
      const { default: commonjs } = await import("@rollup/plugin-commonjs")
      const bundle = await rollup({
        input: entry,
        external: (id) => isExternal(id, external),
        plugins: [resolve({ preferBuiltins: true }), commonjs()],
        onwarn: failOn,
      })
      const file = join(outFolder, `main.${extensionOf(format)}`)
      await bundle.write({ file, format: format === "esm" ? "es" : "cjs", inlineDynamicImports: true })
      await bundle.close()
      return file
    },
  },
  {
    name: "rolldown",
    version: () => versionOf("rolldown"),
    formats: ["esm", "cjs"],
    async build({ entry, outFolder, format, external }) {
      const { rolldown } = await import("rolldown")
      const bundle = await rolldown({
        input: entry,
        platform: "node",
        external: (id) => isExternal(id, external),
        onwarn: failOn,
      })
      const file = join(outFolder, `main.${extensionOf(format)}`)
      await bundle.write({ file, format })
      await bundle.close()
      return file
    },
  },
  {
    name: "webpack",
    version: () => versionOf("webpack"),
    formats: ["esm", "cjs"],
    async build({ entry, outFolder, format, external }) {
      const { default: webpack } = await import("webpack")
      const isModule = format === "esm"
      const filename = `main.${extensionOf(format)}`
      const type = isModule ? "module" : "commonjs"
      const stats = await new Promise((resolve, reject) => {
        webpack(
          {
            mode: "production",
            target: "node20",
            entry,
            // It writes the places of files into the bundle: those of a folder that is gone when the bundle runs.
            resolve: { symlinks: false },
            output: { path: outFolder, filename, module: isModule, chunkFormat: type, library: { type } },
            experiments: { outputModule: isModule },
            externals: ({ request }, callback) =>
              isExternal(request, external)
                ? callback(null, `${isModule ? "module" : "commonjs"} ${request}`)
                : callback(),
          },
          (error, stats) => (error ? reject(error) : resolve(stats)),
        )
      })
      const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true })
      for (const { message } of [...errors, ...warnings]) throw new Error(message)
      return join(outFolder, filename)
    },
  },
  {
    name: "vite-ssr",
    version: () => versionOf("vite"),
    formats: ["esm"],
    async build({ entry, outFolder, external, root }) {
      const { build } = await import("vite")
      await build({
        root,
        configFile: false,
        logLevel: "warn",
        ssr: { noExternal: true, external },
        resolve: { preserveSymlinks: true },
        build: { ssr: entry, outDir: outFolder, rollupOptions: { output: { entryFileNames: "main.mjs" } } },
      })
      return join(outFolder, "main.mjs")
    },
  },
  {
    name: "tsup",
    version: () => versionOf("tsup"),
    formats: ["esm", "cjs"],
    async build({ entry, outFolder, format, external }) {
      const { build } = await import("tsup")
      await build({
        entry: { main: entry },
        outDir: outFolder,
        format: [format],
        config: false,
        silent: true,
        platform: "node",
        target: "node20",
        // It leaves what is installed outside, unless told otherwise.
        noExternal: external.length > 0 ? [] : [/^zoocache/],
        external,
        outExtension: () => ({ js: `.${extensionOf(format)}` }),
      })
      return join(outFolder, `main.${extensionOf(format)}`)
    },
  },
]

function extensionOf(format) {
  return format === "esm" ? "mjs" : "cjs"
}

function isExternal(id, external) {
  return external.some((name) => id === name || id.startsWith(`${name}/`))
}

/** What a bundler warns of is a failure: a user would wonder. */
function failOn(warning) {
  throw new Error(warning.message ?? String(warning))
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8")).version
}
