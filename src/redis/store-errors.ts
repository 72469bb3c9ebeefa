import { isA, messageOf, StorageFullError, StoreError, type ZooCacheError } from "../core/base/errors.js"
import { codeOf as codeOfText } from "./failures.js"

/** Replies of a server that can't be used now, and can later: as if it were not there. */
const UNAVAILABLE = new Set(["LOADING", "BUSY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN"])

/** The word that a server's reply begins with, such as `NOSCRIPT`; undefined where no server has answered. */
export function codeOf(error: unknown): string | undefined {
  // A reply has a sentence behind its word; an error of the system may be a word alone.
  const said = isA(error, Error) ? messageOf(error) : ""
  return said.includes(" ") ? codeOfText(said) || undefined : undefined
}

/** Whether it says that there is no server to use, rather than that a server refuses something. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error)
  return code === undefined || UNAVAILABLE.has(code)
}

export function refusalOf(operation: string, name: string, error: unknown): ZooCacheError {
  if (codeOf(error) === "OOM") {
    return new StorageFullError(name, "Redis is at `maxmemory` and evicts nothing. Set `maxmemory-policy`.", error)
  }
  return new StoreError(`${operation} ${name}`, error)
}
