import {
  fieldOf,
  isA,
  LogError,
  messageOf,
  show,
  StorageFullError,
  StorageOpenError,
  StoreError,
  type ZooCacheError,
} from "../core/base/errors.js"

/** An error on its way between threads, which keep neither classes nor fields. */
export interface SentError {
  readonly kind: "full" | "open" | "other"
  readonly subject: string
  readonly reason: string
  readonly cause: unknown
}

/** An error of the writer thread whose reason is known; becomes an error of the library in the main thread. */
export class Refusal extends Error {
  readonly kind: "full" | "open"
  readonly subject: string

  constructor(kind: "full" | "open", subject: string, reason: string, cause?: unknown) {
    super(reason, { cause })
    this.kind = kind
    this.subject = subject
  }
}

/** Codes of LMDB and of the system when the disk is full: ENOSPC, EFBIG, EDQUOT, MDB_MAP_FULL. */
const FULL = new Set<unknown>([28, 27, 122, -30792, "ENOSPC", "EFBIG", "EDQUOT"])

export function isDiskFull(error: unknown): boolean {
  return FULL.has(fieldOf(error, "code"))
}

export function sendable(error: unknown, subject: string): SentError {
  const reason = messageOf(error)
  if (isA(error, Refusal)) return { kind: error.kind, subject: error.subject, reason, cause: plain(error.cause) }
  if (isDiskFull(error)) return { kind: "full", subject, reason, cause: plain(error) }
  return { kind: "other", subject, reason, cause: plain(error) }
}

/** Without what can't be sent. */
function plain(error: unknown): unknown {
  if (!isA(error, Error)) return error === undefined ? undefined : show(error)
  const [code, stack] = [fieldOf(error, "code"), fieldOf(error, "stack")]
  return Object.assign(new Error(messageOf(error)), {
    stack: typeof stack === "string" ? stack : undefined,
    code: typeof code === "string" || typeof code === "number" ? code : undefined,
  })
}

/** `operation`: what failed, for what has no better name. */
export function received(error: SentError, operation: string, part: "log" | "store"): ZooCacheError {
  const { kind, subject, reason, cause } = error
  if (kind === "full") return new StorageFullError(subject, reason, cause)
  if (kind === "open") return Object.assign(new StorageOpenError(subject, reason, cause), { permanent: true })
  return part === "log" ? new LogError(operation, cause ?? reason) : new StoreError(operation, cause ?? reason)
}
