import { type Place, type Recurrence, showPlace } from "./place.js"

/** The name that the class of a prototype has for all copies of this library; undefined for a class that inherits it. */
function nameOf(prototype: object): string | undefined {
  const type: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value
  if (typeof type !== "function" || !Object.hasOwn(type, "zooCacheError")) return undefined
  return (type as unknown as typeof ZooCacheError).zooCacheError
}

/** `instanceof` for classes of errors: by their names, for another copy of this library has classes of its own. */
function hasInstance(this: { readonly prototype: object }, value: unknown): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false
  const { prototype } = this
  const called = nameOf(prototype)
  const isOfClass = (at: object) => at === prototype || (called !== undefined && nameOf(at) === called)
  let at = Object.getPrototypeOf(value) as object | null
  while (at !== null && !isOfClass(at)) at = Object.getPrototypeOf(at) as object | null
  return at !== null
}

/** The page that explains each code in a section of its own; it is part of the package. */
const HELP = "docs/errors.md"

/** The parts of every error of this library: a stable `code`, and the thing it is about. */
export interface ZooCacheErrorOptions {
  /** The tag, key, option or url the error is about; never a password. */
  readonly subject?: string | undefined
  readonly cause?: unknown
}

/**
 * The parent of every error this library throws or reports.
 *
 * @example
 * try { await cache.invalidate("user 42") } catch (error) {
 *   if (error instanceof ZooCacheError) console.log(error.code, error.subject)
 * }
 */
export class ZooCacheError extends Error {
  /**
   * The name of the class, whatever a minifier makes of it: by this all copies of the library in a process know its instances. A
   * field and no static block, so that bundlers drop the classes that nothing uses.
   *
   * @internal
   */
  static readonly zooCacheError: string = "ZooCacheError"

  static {
    Object.defineProperty(this, Symbol.hasInstance, { value: hasInstance })
  }

  /** Stable across versions, `ERR_ZOOCACHE_…`; safe to compare against. */
  readonly code: string
  readonly subject: string | undefined
  /** The section of the documentation on this code: a file of the package `zoocache`, and the place in it. */
  readonly help: string

  constructor(code: string, message: string, options: ZooCacheErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = nameOf(new.target.prototype) ?? new.target.name
    this.code = code
    this.subject = options.subject
    this.help = `${HELP}#${code.toLowerCase()}`
  }
}

/** A tag that is empty, too long, too deep, or has a character that tags may not have. */
export class InvalidTagError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "InvalidTagError"

  constructor(tag: unknown, reason: string) {
    const shown = show(tag)
    super("ERR_ZOOCACHE_INVALID_TAG", `Invalid tag ${shown}: ${reason}`, { subject: shown })
  }
}

/** Arguments or a key that can't be turned into a key without risking that two calls meet. */
export class InvalidKeyError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "InvalidKeyError"

  /** The fault of the key, without the key. */
  readonly reason: string

  constructor(key: unknown, reason: string, options: { cause?: unknown } = {}) {
    const shown = show(key)
    super("ERR_ZOOCACHE_INVALID_KEY", `Invalid key ${shown}: ${reason}`, { subject: shown, ...options })
    this.reason = reason
  }
}

/** An option that is unknown, of the wrong type, or outside its range. */
export class InvalidOptionError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "InvalidOptionError"

  constructor(option: string, value: unknown, reason: string) {
    super("ERR_ZOOCACHE_INVALID_OPTION", `Invalid option ${option} = ${show(value)}: ${reason}`, { subject: option })
  }
}

/** A token that did not come from this log, or names a version it does not know. */
export class InvalidTokenError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "InvalidTokenError"

  constructor(token: unknown, reason: string) {
    super("ERR_ZOOCACHE_INVALID_TOKEN", `Invalid token ${show(token)}: ${reason}`, { subject: show(token) })
  }
}

/** A function without a stable name meets a log that other processes share. */
export class MissingNameError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "MissingNameError"

  constructor(hint: string) {
    super("ERR_ZOOCACHE_MISSING_NAME", hint)
  }
}

/** Two functions of one cache carry the same name and version, so their entries would meet. */
export class DuplicateNameError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "DuplicateNameError"

  /**
   * The relation of the second definition to the first: `"again"`, the same place in the source, which ran twice; `"reloaded"`, the
   * same module, which hot reload has loaded anew; `"elsewhere"`, another place; `"unknown"`.
   */
  readonly recurrence: Recurrence

  constructor(name: string, recurrence: Recurrence = "unknown", places: readonly (Place | undefined)[] = []) {
    const [here, there] = places.map((place) => (place === undefined ? "" : ` at ${showPlace(place)}`))
    super("ERR_ZOOCACHE_DUPLICATE_NAME", duplicateText(show(name), recurrence, here ?? "", there ?? ""), {
      subject: name,
    })
    this.recurrence = recurrence
  }
}

function duplicateText(name: string, recurrence: Recurrence, here: string, there: string): string {
  switch (recurrence) {
    case "again":
      return (
        `The name ${name} is taken: one place in the source${here} defined it twice, once per instance or per call of what ` +
        "surrounds it. Define the function once, outside of the class or function, with what differs among its arguments; " +
        "for methods use the decorator `@cacheable`, with `keyThis`. If the module was loaded again by hot reload, give the " +
        'cache `redefine: "replace"`.'
      )
    case "reloaded":
      return (
        `The name ${name} is taken by what the same module${here} defined when it was loaded before, as by hot reload. ` +
        'Give the cache `redefine: "replace"`; where the module is bundled more than once too, as in Next.js, `redefine: "share"`.'
      )
    case "elsewhere":
    case "unknown":
      return (
        `The name ${name} is taken by another cached function of this cache${there}; this one is defined${here || " elsewhere"}. ` +
        "If they are two functions, give one of them another `name`. If they are one module that is bundled or loaded twice, as " +
        'in Next.js, give the cache `redefine: "share"`. If a later definition should replace the earlier one, `redefine: "replace"`.'
      )
  }
}

const readOnce =
  "can be read only once, so it can't be shared between callers. Return its content instead, for example " +
  "`await response.json()` or `await Array.fromAsync(iterator)`."

/**
 * A value that can't be kept for several callers: one that can be read only once, such as a stream or an iterator; a
 * thenable; one that its `isolation` can neither copy nor freeze.
 */
export class UncacheableValueError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "UncacheableValueError"

  /** The kind of the value, such as `A ReadableStream`. */
  readonly kind: string
  /** The fault of values of that kind. */
  readonly reason: string

  constructor(kind: string, subject?: string, reason = readOnce) {
    super("ERR_ZOOCACHE_UNCACHEABLE_VALUE", `${kind} ${reason}`, { subject })
    this.kind = kind
    this.reason = reason
  }
}

/** The log did not confirm an invalidation in time, which holds in this process and is retried. */
export class InvalidationNotAcknowledgedError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "InvalidationNotAcknowledgedError"

  /** True where a transaction's function had already succeeded: do not run it again because of this error. */
  readonly committed: boolean
  /** The result of the transaction's function; undefined outside a transaction. */
  readonly result: unknown

  constructor(
    tags: readonly string[],
    reason: string,
    options: { cause?: unknown; committed?: boolean; result?: unknown } = {},
  ) {
    const shown = tags.length > 3 ? `${tags.slice(0, 3).join(", ")} and ${tags.length - 3} more` : tags.join(", ")
    super(
      "ERR_ZOOCACHE_NOT_ACKNOWLEDGED",
      `The invalidation of ${shown} was not acknowledged: ${reason}. It holds in this process and is retried until it is.`,
      { subject: shown, cause: options.cause },
    )
    this.committed = options.committed ?? false
    this.result = options.result
  }
}

/** A load that would wait for itself, directly or through other cached calls. */
export class LoadCycleError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "LoadCycleError"

  constructor(path: readonly string[]) {
    super("ERR_ZOOCACHE_LOAD_CYCLE", `A load waits for itself: ${path.join(" → ")}`, { subject: path[0] })
  }
}

/** A load that ran longer than its hard timeout. The key is free again. */
export class LoadTimeoutError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "LoadTimeoutError"

  constructor(key: string, timeoutMs: number) {
    super(
      "ERR_ZOOCACHE_LOAD_TIMEOUT",
      `The load of ${key} did not settle within ${timeoutMs} ms. Its late result will not be stored; raise \`timeout\` if it needs longer.`,
      { subject: key },
    )
  }
}

/** A load in the background failed while readers were served what there was. Reported, never thrown at a caller. */
export class RefreshError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "RefreshError"

  constructor(key: string, cause: unknown) {
    super("ERR_ZOOCACHE_REFRESH", `${key} could not be loaded anew and is served from before: ${messageOf(cause)}`, {
      subject: key,
      cause,
    })
  }
}

/** A load used a function of another cache, so that nobody could tell when its result becomes stale. Reported. */
export class ForeignCacheError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "ForeignCacheError"

  constructor(key: string, used: string) {
    super(
      "ERR_ZOOCACHE_FOREIGN_CACHE",
      `${key} used ${used} of another cache, whose invalidations it can't follow, so its result is not stored. ` +
        "Use one cache for both, or pass `inherit: false` if the result may outlive what it was made of.",
      { subject: key },
    )
  }
}

/** A process that can't confirm that it is up to date was told to throw (`whenUnsure: "throw"`). */
export class UnsureError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "UnsureError"

  constructor(key: string, detail: string) {
    super("ERR_ZOOCACHE_UNSURE", `${key} can't be served: ${detail}`, { subject: key })
  }
}

/** `sync` did not reach its token in time. */
export class SyncTimeoutError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "SyncTimeoutError"

  constructor(token: string | undefined, timeoutMs: number) {
    super("ERR_ZOOCACHE_SYNC_TIMEOUT", `The log was not applied up to ${token ?? "its head"} within ${timeoutMs} ms.`, {
      subject: token,
    })
  }
}

/** The cache is closed. Cached functions still run their loaders; everything else rejects with this. */
export class CacheClosedError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "CacheClosedError"

  constructor(what: string) {
    super("ERR_ZOOCACHE_CLOSED", `${what} was called after close(). Create a new cache, or call it before closing.`, {
      subject: what,
    })
  }
}

/** `configure` was called twice with different settings, or too late. */
export class ConfigurationError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "ConfigurationError"

  constructor(message: string, cause?: unknown) {
    super("ERR_ZOOCACHE_CONFIGURATION", message, { cause })
  }
}

/** A hook of the user (`depsOf`, `ttl`, `cacheIf`, …) threw or returned nonsense. Reported, never thrown at a caller. */
export class HookError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "HookError"

  constructor(hook: string, key: string, cause: unknown) {
    super("ERR_ZOOCACHE_HOOK", `The hook \`${hook}\` failed for ${key}: ${messageOf(cause)}`, { subject: hook, cause })
  }
}

/** The log misbehaved: unreachable, slow, or answering what its contract rules out. */
export class LogError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "LogError"

  constructor(operation: string, cause: unknown) {
    super("ERR_ZOOCACHE_LOG", `The invalidation log failed to ${operation}: ${messageOf(cause)}`, {
      subject: operation,
      cause,
    })
  }
}

/** A shared store misbehaved: it can't be opened, read or written. */
export class StoreError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "StoreError"

  constructor(operation: string, cause: unknown, code = "ERR_ZOOCACHE_STORE") {
    super(code, `The store failed to ${operation}: ${messageOf(cause)}`, {
      subject: operation,
      cause,
    })
  }
}

/** There is no room for an entry: the disk is full, or the map is. The call that made it has its value. */
export class StorageFullError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "StorageFullError"

  constructor(subject: string, reason: string, cause?: unknown) {
    super("ERR_ZOOCACHE_STORAGE_FULL", `The store ${subject} is full: ${reason}`, { subject, cause })
  }
}

/** A directory or file that can't be a store of this version: foreign, of another version, not writable. */
export class StorageOpenError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "StorageOpenError"

  constructor(path: string, reason: string, cause?: unknown) {
    super("ERR_ZOOCACHE_STORAGE_OPEN", `The store ${path} can't be opened: ${reason}`, { subject: path, cause })
  }
}

/** Bytes that no codec of this version wrote, or that were changed since. They are a miss. */
export class CorruptEntryError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "CorruptEntryError"

  constructor(reason: string, cause?: unknown) {
    super("ERR_ZOOCACHE_CORRUPT_ENTRY", `A stored entry can't be read: ${reason}`, { cause })
  }
}

/** A value that a shared store could not bring back as it is: returned and not stored; in strict mode an error. */
export class UnencodableValueError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "UnencodableValueError"

  /** The place in the value, such as `.rows[3].owner`; empty for the value itself. */
  readonly path: string

  constructor(path: string, value: unknown, reason: string) {
    super(
      "ERR_ZOOCACHE_UNENCODABLE_VALUE",
      `A value can't be stored: ${path === "" ? "it" : `\`value${path}\``} is ${show(value)}, ${reason}`,
      { subject: path },
    )
    this.path = path
  }
}

/** An entry above the codec's size limit: returned and not stored. */
export class EntryTooLargeError extends ZooCacheError {
  /** @internal */
  static override readonly zooCacheError: string = "EntryTooLargeError"

  constructor(key: string, bytes: number, limit: number) {
    super(
      "ERR_ZOOCACHE_ENTRY_TOO_LARGE",
      `The entry ${key} has ${bytes} bytes, more than the limit of ${limit}. Raise \`maxEntryBytes\`, or cache smaller parts.`,
      { subject: key },
    )
  }
}

/** The message of an error; for anything else, and where that is empty, the value in one line. Never throws, whatever it is. */
export function messageOf(error: unknown): string {
  try {
    if (error instanceof Error) {
      const { message } = error
      if (typeof message === "string" && message !== "") return message
    }
  } catch {
    // Hostile accessors and proxies are shown like any other value.
  }
  return show(error)
}

/** Whether an error is of a class. False also for what does not want to be looked at, such as a proxy that throws. */
export function isA<T extends Error>(error: unknown, type: abstract new (...args: never[]) => T): error is T {
  try {
    return error instanceof type
  } catch {
    return false
  }
}

/** A property of an error of others; undefined where it can't be read. Never throws. */
export function fieldOf(error: unknown, name: string): unknown {
  try {
    return (error as Record<string, unknown> | null | undefined)?.[name]
  } catch {
    return undefined
  }
}

export function asHookError(hook: string, key: string, error: unknown): HookError {
  return isA(error, HookError) ? error : new HookError(hook, key, error)
}

export function asLogError(operation: string, error: unknown): LogError {
  return isA(error, LogError) ? error : new LogError(operation, error)
}

/** Errors of this library say already what failed, with which code. */
export function asStoreError(operation: string, error: unknown): ZooCacheError {
  return isA(error, ZooCacheError) ? error : new StoreError(operation, error)
}

/** A fault of this library itself, or of a value that nothing can be done with. */
export function asInternalError(error: unknown): ZooCacheError {
  return isA(error, ZooCacheError)
    ? error
    : new ZooCacheError("ERR_ZOOCACHE_INTERNAL", messageOf(error), { cause: error })
}

const LONGEST_SHOWN = 80
// Larger numbers take time to write out, and nobody reads them.
const LARGEST_SHOWN = 10n ** 80n

/** A value in one line and at most 80 characters, whatever it is; never throws. */
export function show(value: unknown): string {
  let text: string
  try {
    text = textOf(value)
  } catch {
    text = "a value that can't be shown"
  }
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN - 3)}...` : text
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.slice(0, LONGEST_SHOWN))
    case "bigint":
      return -LARGEST_SHOWN < value && value < LARGEST_SHOWN ? `${value}n` : "a bigint of more than 80 digits"
    case "function":
      return oneLine(`function ${value.name || "(anonymous)"}`)
    case "object": {
      if (value === null) return "null"
      if (Array.isArray(value)) return `an array of ${value.length}`
      const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null
      return oneLine(`an object (${prototype?.constructor?.name ?? "no prototype"})`)
    }
    case "number":
    case "boolean":
    case "undefined":
    case "symbol":
      return oneLine(String(value))
  }
}

function oneLine(text: string): string {
  return text.slice(0, 2 * LONGEST_SHOWN).replace(/[\p{Cc}\u2028\u2029]+/gu, " ")
}
