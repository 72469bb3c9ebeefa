import { InvalidOptionError } from "../core/base/errors.js"

/** The parts of a server's url. */
export interface Address {
  readonly host?: string
  readonly port?: number
  /** A Unix socket, in place of host and port. */
  readonly path?: string
  readonly username?: string
  readonly password?: string
  readonly db: number
  readonly isTls: boolean
}

const DEFAULT_PORT = 6379

/**
 * Reads `redis://user:password@host:port/db`, `rediss://…` for TLS, and `unix:///path/to/socket?db=0`.
 *
 * @throws InvalidOptionError, which shows the url without its password.
 */
export function parseUrl(url: unknown, option = "url"): Address {
  if (typeof url !== "string") throw new InvalidOptionError(option, typeof url, "it must be a string")
  const wrong = (reason: string) => new InvalidOptionError(option, redactUrl(url), reason)
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw wrong("it must be a url such as `redis://localhost:6379`")
  }
  const { protocol, hostname, port, pathname, searchParams } = parsed
  if (protocol !== "redis:" && protocol !== "rediss:" && protocol !== "unix:") {
    throw wrong("it must begin with `redis://`, `rediss://` or `unix://`")
  }
  for (const name of searchParams.keys()) if (name !== "db") throw wrong("its query may have `db` alone")
  const isSocket = protocol === "unix:"
  if (isSocket ? pathname === "" : hostname === "") throw wrong(isSocket ? "it needs a path" : "it needs a host")
  const db = searchParams.get("db") ?? (isSocket ? "0" : pathname.slice(1) || "0")
  if (!/^[0-9]{1,6}$/.test(db)) throw wrong("the number of its database must be a whole number")
  const username = decode(parsed.username)
  const password = decode(parsed.password)
  return {
    ...(isSocket
      ? { path: decode(pathname) }
      : { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? DEFAULT_PORT : Number(port) }),
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    db: Number(db),
    isTls: protocol === "rediss:",
  }
}

/** A url for messages: without user and password, whatever the text is. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1").replace(/[?#].*$/s, "")
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
