/**
 * Packages as code finds them that may lie in a bundle: when they are used, and out of sight of the bundler. So none of them
 * becomes a part of a bundle, which native code can't be. The CommonJS build has `installed-commonjs.ts` in place of this.
 */
import { isMissing, type PeerName } from "./peer-error.js"

/** Put in by the build. */
declare const ZOOCACHE_VERSION: string | undefined

/** @throws what `require` throws */
export function requirePeer(name: PeerName): unknown {
  return firstFound(name, (require): unknown => require(name))
}

/** Looks for a package without loading it. @throws what `require.resolve` throws */
export function findPeer(name: PeerName): void {
  firstFound(name, (require) => require.resolve(name))
}

/**
 * Loads a backend, which makes its URLs known. A bundle has none but those that it was made with: another copy of this package
 * could not work on the state of the bundled one.
 *
 * @throws what `require` throws
 */
export function requireBackend(name: "lmdb" | "redis"): void {
  throw new Error(`zoocache/${name} is not in this bundle`)
}

/**
 * The program of the thread that writes for LMDB: beside the bundle, or in this package where it is installed.
 *
 * @throws what `require.resolve` throws, or that the installed package is of another version than the bundled one
 */
export function findWriter(): string {
  const { existsSync } = process.getBuiltinModule("node:fs")
  const path = process.getBuiltinModule("node:path")
  for (const place of places()) {
    const beside = path.join(path.dirname(place), "writer-main.cjs")
    if (existsSync(beside)) return beside
  }
  const { require, file } = firstFound("zoocache/package.json", (require) => ({
    require,
    file: require.resolve("zoocache/package.json"),
  }))
  const { version } = require(file) as { version?: unknown }
  if (typeof ZOOCACHE_VERSION === "string" && version !== ZOOCACHE_VERSION) {
    throw new Error(`zoocache ${String(version)} is installed, and ${ZOOCACHE_VERSION} is in the bundle`)
  }
  return file.replace(/package\.json$/, "dist/chunks/writer-main.cjs")
}

/** Tries one place after the other; what can't be loaded where it is found is not looked for elsewhere. */
function firstFound<T>(specifier: string, find: (require: NodeJS.Require) => T): T {
  // Not imported: what a bundler knows of `createRequire` makes it replace the packages by an error.
  const { createRequire } = process.getBuiltinModule("node:module")
  let failure: unknown = new Error("it is not known where this program lies")
  let isFirst = true
  for (const place of places()) {
    try {
      return find(createRequire(place))
    } catch (error) {
      if (!isMissing(error, specifier)) throw error
      if (isFirst) failure = error
      isFirst = false
    }
  }
  throw failure
}

/** Files beside which packages are looked for: this one, or the bundle that it is in, and the program that was started. */
function places(): string[] {
  const { fileURLToPath } = process.getBuiltinModule("node:url")
  // Undefined, or of the machine that made the bundle, where a bundler gives a file no URL of its own.
  const own: unknown = import.meta.url
  const [, program] = process.argv
  return [
    ...(typeof own === "string" && own.startsWith("file:") ? [fileURLToPath(own)] : []),
    ...(program === undefined ? [] : [program]),
  ]
}
