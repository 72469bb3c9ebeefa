import { InvalidTokenError } from "../base/errors.js"

/**
 * A position in the total order of invalidations: a hybrid logical timestamp, Unix milliseconds × 1024 + counter, below
 * 2^53. After Kulkarni et al., "Logical Physical Clocks" (2014), in one integer.
 */
export type Version = number

/** Before every invalidation. */
export const NO_VERSION: Version = 0

export const TICKS_PER_MS = 1024

/** The version after `head`: never at or below it, and never behind the clock. */
export function nextVersion(wallMs: number, head: Version): Version {
  const fromClock = Math.floor(wallMs) * TICKS_PER_MS
  return fromClock > head ? fromClock : head + 1
}

/** When a version was given out, as its log's clock believed; Unix milliseconds. */
export function versionWallMs(version: Version): number {
  return Math.floor(version / TICKS_PER_MS)
}

export function isVersion(value: unknown): value is Version {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
}

/**
 * A life of a log. Versions of different epochs can't be compared: between them, history was lost.
 * `ordinal` only grows, at least the Unix seconds at which the epoch began; `nonce` tells apart two of one ordinal.
 */
export interface Epoch {
  readonly ordinal: number
  readonly nonce: string
}

export function isSameEpoch(a: Epoch, b: Epoch): boolean {
  return a.ordinal === b.ordinal && a.nonce === b.nonce
}

/** Names an epoch and a version of it; opaque to users, safe to hand to clients. */
export type Token = string

const TOKEN = /^zc1\.(0|[1-9a-z][0-9a-z]{0,10})\.([A-Za-z0-9_-]{1,32})\.(0|[1-9][0-9]{0,12})\.(0|[1-9][0-9]{0,3})$/

// Tokens of one millisecond differ in the counter alone, and turning a number of 16 digits into text costs as much as
// the rest of an invalidation.
let lastHead = ""
let lastEpoch: Epoch | undefined
let lastMs = -1

export function formatToken(epoch: Epoch, version: Version): Token {
  const ms = Math.floor(version / TICKS_PER_MS)
  if (ms !== lastMs || epoch !== lastEpoch) {
    lastHead = `zc1.${epoch.ordinal.toString(36)}.${epoch.nonce}.${ms}.`
    lastMs = ms
    lastEpoch = epoch
  }
  return lastHead + (version - ms * TICKS_PER_MS)
}

/** Reads a token; throws {@link InvalidTokenError} for anything that `formatToken` can't have made. */
export function parseToken(token: unknown): { epoch: Epoch; version: Version } {
  const parts = typeof token === "string" && token.length <= 80 ? TOKEN.exec(token) : null
  if (parts === null) throw new InvalidTokenError(token, "tokens are what `invalidate` and its kin return")
  const ordinal = Number.parseInt(parts[1] as string, 36)
  const version = Number(parts[3]) * TICKS_PER_MS + Number(parts[4])
  if (!Number.isSafeInteger(ordinal) || !isVersion(version) || Number(parts[4]) >= TICKS_PER_MS) {
    throw new InvalidTokenError(token, "its numbers are out of range")
  }
  return { epoch: { ordinal, nonce: parts[2] as string }, version }
}
