/** The first part of every key of this layout. Another layout gets another one, so that neither reads the other's keys. */
export const LAYOUT = "zc1"

/** Keys of the log of a prefix: three in one hash slot, and a channel. */
export interface LogKeys {
  /** A hash: epoch, head, floors, the server's identity and how the previous life ended. */
  readonly state: string
  /** Sorted sets, change → version. */
  readonly tags: string
  readonly keys: string
  /** Appends are announced here. */
  readonly channel: string
}

/**
 * `zc1:{<prefix>}:state`, `:tags`, `:keys` and `:news`, with the prefix as {@link encodePrefix} makes it; for ACL rules:
 * `~zc1:{shop}:*` and `&zc1:{shop}:*`.
 *
 * @param db channels are the same in all databases of a server, keys are not: the number keeps their doorbells apart.
 */
export function logKeys(prefix: string, db = 0): LogKeys {
  const base = `${LAYOUT}:{${encodePrefix(prefix)}}`
  return {
    state: `${base}:state`,
    tags: `${base}:tags`,
    keys: `${base}:keys`,
    channel: db === 0 ? `${base}:news` : `${base}:news:${db}`,
  }
}

/**
 * Channel on which leases that were given back are announced: `zc1:{<prefix>}:leases`, which the rule for the log's channel
 * covers.
 *
 * @param db see {@link logKeys}.
 */
export function leaseChannel(prefix: string, db = 0): string {
  const channel = `${LAYOUT}:{${encodePrefix(prefix)}}:leases`
  return db === 0 ? channel : `${channel}:${db}`
}

/**
 * A prefix as part of a key name: letters, digits, `-`, `_`, `.` and `~` as they are, everything else as `%` and the hex
 * digits of its UTF-8. So no prefix can end its hash tag, reach into another, or act as a pattern in an ACL rule.
 */
export function encodePrefix(prefix: string): string {
  // An empty hash tag is none: the keys would lie in three slots.
  if (prefix === "") return "%"
  return prefix.replace(/[^A-Za-z0-9\-_.~]/gu, (character) => {
    const code = character.codePointAt(0) as number
    // A lone surrogate has no UTF-8.
    if (code >= 0xd800 && code <= 0xdfff) return `%u${code.toString(16).toUpperCase()}`
    return Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")
  })
}
