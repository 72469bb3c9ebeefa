import type { Backend } from "./core/ports/backend.js"
import { InvalidOptionError } from "./core/base/errors.js"
import { lmdb, type LmdbOptions } from "./lmdb/index.js"
import { redis } from "./redis/index.js"

const NUMBERS = ["mapSize", "maxEntries", "maxBytes", "maxTags", "maxKeys"] as const

/**
 * The backend that URLs name.
 * - `lmdb://` and a path, relative or absolute, with options of {@link lmdb} as its query.
 * - `redis://` or `rediss://`, as {@link redis} takes it. With `busUrl`, invalidations go to that server instead; with
 *   nothing but `busUrl`, entries stay in memory.
 *
 * @throws InvalidOptionError
 * @example
 * backendOf("lmdb://./cache?maxEntries=100000&durable=true", undefined)
 * backendOf(undefined, "redis://localhost:6379")
 */
export function backendOf(storageUrl: unknown, busUrl: unknown): Backend {
  const storage = storageUrl === undefined ? undefined : schemeOf(storageUrl, "storageUrl")
  const bus = busUrl === undefined ? undefined : schemeOf(busUrl, "busUrl")
  if (bus !== undefined && !isRedis(bus.scheme)) {
    throw new InvalidOptionError("busUrl", shown(bus.url), "it must begin with `redis://` or `rediss://`")
  }
  if (storage === undefined) return redis({ url: bus?.url ?? "", entries: false })
  if (storage.scheme === "lmdb") {
    if (bus !== undefined) {
      const reason = "LMDB keeps entries and invalidations together, on one machine; leave one of the two URLs out"
      throw new InvalidOptionError("busUrl", shown(bus.url), reason)
    }
    return ofLmdb(storage.url)
  }
  if (!isRedis(storage.scheme)) {
    const reason = "it must begin with `lmdb://`, `redis://` or `rediss://`; leave it out to stay in memory"
    throw new InvalidOptionError("storageUrl", shown(storage.url), reason)
  }
  if (bus === undefined || bus.url === storage.url) return redis({ url: storage.url })
  return redis({ url: storage.url, logUrl: bus.url })
}

function schemeOf(url: unknown, name: string): { readonly url: string; readonly scheme: string | undefined } {
  if (typeof url !== "string") throw new InvalidOptionError(name, url, "it must be a string")
  return { url, scheme: /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase() }
}

function isRedis(scheme: string | undefined): boolean {
  return scheme === "redis" || scheme === "rediss"
}

/** A password may stand before an `@`, so all of that is hidden. */
function shown(url: string): string {
  return url.replace(/\/\/.*@/, "//")
}

function ofLmdb(url: string): Backend {
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
