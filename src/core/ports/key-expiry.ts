import type { LogChange } from "./log.js"

/** The tag that soft changes of own keys go under. Nobody can name it: see `isKey` in tags/tag.ts. */
const ROOT = "ƒkey"
/** The size of a tag, less that of the root and the colon. */
const MOST_BYTES = 256 - 6

/**
 * The soft change of one entry, by its public key. Logs know no kind of its own for that, and a release that has none would lose
 * its way; so it goes as the expiry of a reserved tag, on which nothing depends where nobody knows what it means. A key that
 * does not fit into a tag is invalidated instead: that is harder, and right.
 */
export function keyExpiry(key: string): LogChange {
  const path = encode(key)
  return path === undefined ? { kind: "key", path: key } : { kind: "expiry", path: `${ROOT}:${path}` }
}

/** The key that a soft change is about, `""` for all keys; undefined for any other change. */
export function expiredKeyOf({ kind, path }: LogChange): string | undefined {
  if (kind !== "expiry" || !path.startsWith(ROOT)) return undefined
  if (path === ROOT) return ""
  if (path.charAt(ROOT.length) !== ":") return undefined
  try {
    return decodeURIComponent(path.slice(ROOT.length + 1))
  } catch {
    // Bytes that no `keyExpiry` has made: everything is what they may have been about.
    return ""
  }
}

function encode(key: string): string | undefined {
  try {
    // A tag has no `*`, which the encoding leaves alone.
    const path = encodeURIComponent(key).replaceAll("*", "%2A")
    return path.length <= MOST_BYTES ? path : undefined
  } catch {
    // A lone surrogate.
    return undefined
  }
}
