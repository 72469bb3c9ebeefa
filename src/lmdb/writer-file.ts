import { pathToFileURL } from "node:url"
import { ConfigurationError, messageOf } from "../core/base/errors.js"
import { findWriter } from "../packages/installed.js"

/** Put in by the build. */
declare const ZOOCACHE_VERSION: string | undefined

/** The program of the thread that writes. @throws ConfigurationError where a bundle has left it behind */
export function writerFile(): URL {
  // From the sources it needs a loader for TypeScript, which tests and development have.
  if (typeof ZOOCACHE_VERSION !== "string" && import.meta.url.endsWith(".ts")) {
    return new URL("./writer-main-source.mjs", import.meta.url)
  }
  try {
    return pathToFileURL(findWriter())
  } catch (error) {
    const [firstLine = ""] = messageOf(error).split("\n")
    throw new ConfigurationError(
      `\`lmdb({ path })\` can't find the program of its thread that writes, which is a file of this package (${firstLine}). ` +
        "Tell the bundler that `zoocache` and `lmdb` are external, or copy `zoocache/dist/chunks/writer-main.cjs` beside " +
        "the bundle.",
      error,
    )
  }
}
