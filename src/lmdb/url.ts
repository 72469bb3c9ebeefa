import { InvalidOptionError } from "../core/base/errors.js"
import type { Backend } from "../core/ports/backend.js"
import type { BackendUrls } from "../core/ports/backend-urls.js"
import { lmdb } from "./backend.js"
import type { LmdbOptions } from "./options.js"

const NUMBERS = ["mapSize", "maxEntries", "maxBytes", "maxTags", "maxKeys"] as const

/** The backend of `lmdb://` and a path, relative or absolute, with options of {@link lmdb} as its query. */
export function lmdbOfUrl({ storageUrl: url = "" }: BackendUrls): Backend {
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
