import { ConfigurationError, InvalidOptionError, messageOf } from "./core/base/errors.js"
import type { Backend } from "./core/ports/backend.js"
import { type BackendOfUrls, registeredBackend } from "./core/ports/backend-urls.js"
import { requireBackend } from "./packages/installed.js"

/** The subpath of this package that makes a scheme known. */
const SUBPATHS = { lmdb: "lmdb", redis: "redis", rediss: "redis" } as const

type Scheme = keyof typeof SUBPATHS

/**
 * The backend that URLs name, which is loaded now: whoever names none, loads none.
 * - `lmdb://` and a path, relative or absolute, with options of `lmdb()` as its query.
 * - `redis://` or `rediss://`, as `redis()` takes it. With `busUrl`, invalidations go to that server instead; with nothing
 *   but `busUrl`, entries stay in memory.
 *
 * @throws InvalidOptionError, ConfigurationError
 * @example
 * backendOf("lmdb://./cache?maxEntries=100000&durable=true", undefined)
 * backendOf(undefined, "redis://localhost:6379")
 */
export function backendOf(storageUrl: unknown, busUrl: unknown): Backend {
  const bus = busUrl === undefined ? undefined : checked(busUrl, "busUrl", ["redis", "rediss"], "")
  const hint = "; leave it out to stay in memory"
  const schemes = ["lmdb", "redis", "rediss"] as const
  const storage = storageUrl === undefined ? undefined : checked(storageUrl, "storageUrl", schemes, hint)
  if (storage?.scheme === "lmdb" && bus !== undefined) {
    const reason = "LMDB keeps entries and invalidations together, on one machine; leave one of the two URLs out"
    throw new InvalidOptionError("busUrl", shown(bus.url), reason)
  }
  const scheme = (storage ?? bus)?.scheme ?? "redis"
  return makerOf(scheme)({ storageUrl: storage?.url, busUrl: bus?.url })
}

interface CheckedUrl {
  readonly url: string
  readonly scheme: Scheme
}

function checked(url: unknown, option: string, schemes: readonly Scheme[], hint: string): CheckedUrl {
  if (typeof url !== "string") throw new InvalidOptionError(option, url, "it must be a string")
  const found = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase()
  const scheme = schemes.find((name) => name === found)
  if (scheme !== undefined) return { url, scheme }
  const known = schemes.map((name) => `\`${name}://\``)
  const list = `${known.slice(0, -1).join(", ")} or ${known.at(-1)}`
  throw new InvalidOptionError(option, shown(url), `it must begin with ${list}${hint}`)
}

/** A password may stand before an `@`, so all of that is hidden. */
function shown(url: string): string {
  return url.replace(/\/\/.*@/, "//")
}

function makerOf(scheme: Scheme): BackendOfUrls {
  const known = registeredBackend(scheme)
  if (known !== undefined) return known
  const subpath = SUBPATHS[scheme]
  let cause: unknown
  try {
    requireBackend(subpath)
  } catch (error) {
    cause = error
  }
  const loaded = registeredBackend(scheme)
  if (loaded !== undefined) return loaded
  const [why = ""] = cause === undefined ? ["it is of another version"] : messageOf(cause).split("\n")
  throw new ConfigurationError(
    `A URL with \`${scheme}://\` needs zoocache/${subpath}, which can't be loaded (${why}). In a bundle, write ` +
      `\`import "zoocache/${subpath}"\` in the file that calls \`configure\`.`,
    cause,
  )
}
