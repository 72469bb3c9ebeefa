import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The folder of the project, with a slash at its end. */
export const root = fileURLToPath(new URL("../", import.meta.url))

export interface PackageJson {
  readonly name: string
  readonly version: string
  readonly repository?: unknown
  readonly exports: Record<string, unknown>
  readonly peerDependencies: Record<string, string>
}

/** One subpath of the package. */
export interface Entry {
  /** What a user imports: `zoocache`, `zoocache/testing`. */
  readonly specifier: string
  /** Path of the source below `src/` and of the result below `dist/`, without extension: `index`, `testing/index`. */
  readonly file: string
}

export const packageJson = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as PackageJson

/** package.json is the list: the subpath `./x` is built from `src/x/index.ts`. */
export const entries: readonly Entry[] = Object.keys(packageJson.exports)
  .filter((subpath) => subpath !== "./package.json")
  .map((subpath) => ({
    specifier: packageJson.name + subpath.slice(1),
    file: subpath === "." ? "index" : `${subpath.slice(2)}/index`,
  }))
