import type { Backend } from "./core/backend.js"
import { InvalidOptionError } from "./core/errors.js"
import { lmdb, type LmdbOptions } from "./lmdb/index.js"

const NUMBERS = ["mapSize", "maxEntries", "maxBytes", "maxTags", "maxKeys"] as const

/**
 * The backend that a URL names: `lmdb://` and a path, relative or absolute, with options of {@link lmdb} as its query.
 *
 * @throws InvalidOptionError
 * @example
 * backendOf("lmdb://./cache?maxEntries=100000&durable=true")
 */
export function backendOf(url: unknown): Backend {
  if (typeof url !== "string") throw new InvalidOptionError("storageUrl", url, "it must be a string")
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme !== "lmdb") {
    // What comes before an `@` may be a password.
    const shown = url.replace(/\/\/.*@/, "//")
    throw new InvalidOptionError("storageUrl", shown, "it must begin with `lmdb://`; leave it out to stay in memory")
  }
  const [path = "", query = ""] = url.slice("lmdb://".length).split("?", 2)
  if (path === "") throw new InvalidOptionError("storageUrl", url, "it needs a path, such as `lmdb://./cache`")
  return lmdb({ path: decode(path, url), ...optionsOf(query, url) })
}

function optionsOf(query: string, url: string): Omit<LmdbOptions, "path"> {
  const options: { -readonly [Name in (typeof NUMBERS)[number]]?: number } & { durable?: boolean } = {}
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === "durable" && (value === "true" || value === "false")) options.durable = value === "true"
    else if (NUMBERS.includes(name as (typeof NUMBERS)[number]) && /^[0-9]+$/.test(value)) {
      options[name as (typeof NUMBERS)[number]] = Number(value)
    } else {
      const known = `\`durable=true\` and numbers for ${NUMBERS.map((each) => `\`${each}\``).join(", ")}`
      throw new InvalidOptionError("storageUrl", url, `\`${name}=${value}\` is no option of it; it knows ${known}`)
    }
  }
  return options
}

function decode(path: string, url: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new InvalidOptionError("storageUrl", url, "a `%` in its path must be written as `%25`")
  }
}
