import type { Behaviour } from "../options/settings.js"
import type { Rank } from "../ports/store.js"

/** A time that does not come. The largest number that every engine stores without a box. */
export const NEVER = 0x7fffffff

/** A hit has to look closer every time: the entry slides, is copied for each caller, or holds an error. */
export const ALWAYS = -1

/** How an entry ages beyond a plain ttl; entries without any of it have none of these. Times as in `Turn.now`. */
export interface Aging {
  expiresAtMs: number
  graceMs: number
  /** Infinity if it does not slide. */
  idleTtlMs: number
  idleUntilMs: number
  /** From when on it is due: a read starts loading anew in the background. */
  refreshAtMs: number
  /** Not before this may a read load anew what is due or in grace; see retries.ts. */
  retryAtMs: number
  /** The stored state of a sliding entry in the shared tier; undefined where it has none. */
  shared?: { readonly rank: Rank; idleUntilMs: number } | undefined
}

export type Age =
  | "current"
  /** Current, and due for an early refresh. */
  | "due"
  /** Past its ttl, but may be served while it is loaded anew. */
  | "grace"
  | "over"

export interface Aged {
  readonly deadlineMs: number
  readonly aging: Aging | null
}

export function ageOf(entry: Aged, nowMs: number): Age {
  const { aging } = entry
  if (aging === null) return nowMs < entry.deadlineMs || entry.deadlineMs === NEVER ? "current" : "over"
  const endMs = Math.min(aging.expiresAtMs, aging.idleUntilMs)
  if (nowMs < endMs) return nowMs < aging.refreshAtMs ? "current" : "due"
  return nowMs < endMs + aging.graceMs ? "grace" : "over"
}

/** When an entry stops being current, in the time of `Turn.now`; Infinity if never. */
export function expiryOf(entry: Aged): number {
  if (entry.aging !== null) return Math.min(entry.aging.expiresAtMs, entry.aging.idleUntilMs)
  return entry.deadlineMs === NEVER ? Number.POSITIVE_INFINITY : entry.deadlineMs
}

/** How a result that landed now ages; undefined if it may not be stored. */
export function agingOf(
  ttlMs: number,
  behaviour: Behaviour,
  nowMs: number,
  random: () => number,
  latestExpiryMs: number,
): Aged | undefined {
  const shortened =
    behaviour.jitter > 0 && ttlMs !== Number.POSITIVE_INFINITY ? ttlMs * (1 - behaviour.jitter * random()) : ttlMs
  const lifeMs = Math.min(shortened, latestExpiryMs - nowMs)
  if (lifeMs <= 0 || behaviour.idleTtlMs <= 0) return undefined
  const expiresAtMs = nowMs + lifeMs
  const isPlain =
    behaviour.graceMs === 0 && behaviour.idleTtlMs === Number.POSITIVE_INFINITY && behaviour.earlyRefresh === 0
  if (isPlain) return { deadlineMs: toDeadline(expiresAtMs), aging: null }
  const aging: Aging = {
    expiresAtMs,
    graceMs: behaviour.graceMs,
    idleTtlMs: behaviour.idleTtlMs,
    idleUntilMs: nowMs + behaviour.idleTtlMs,
    refreshAtMs:
      behaviour.earlyRefresh > 0 && lifeMs !== Number.POSITIVE_INFINITY
        ? nowMs + lifeMs * behaviour.earlyRefresh
        : Number.POSITIVE_INFINITY,
    retryAtMs: nowMs,
  }
  return { deadlineMs: deadlineOf(aging), aging }
}

/** Until when a hit needs no closer look. */
export function deadlineOf(aging: Aging): number {
  if (aging.idleTtlMs !== Number.POSITIVE_INFINITY) return ALWAYS
  return toDeadline(Math.min(aging.expiresAtMs, Math.max(aging.refreshAtMs, aging.retryAtMs)))
}

/**
 * A use starts the idle time of a sliding entry anew. False where it doesn't: what has expired stays so for everyone, however
 * often it is read in grace, until a load succeeds.
 */
export function slide(aging: Aging, nowMs: number): boolean {
  if (aging.idleTtlMs === Number.POSITIVE_INFINITY) return false
  if (nowMs >= aging.idleUntilMs || nowMs >= aging.expiresAtMs) return false
  aging.idleUntilMs = nowMs + aging.idleTtlMs
  return true
}

/** The aging of an entry that a soft invalidation has reached: it expired then. */
export function expiredAging(entry: Aged, atMs: number): Aging {
  const aging = entry.aging ?? {
    expiresAtMs: entry.deadlineMs === NEVER ? Number.POSITIVE_INFINITY : entry.deadlineMs,
    graceMs: 0,
    idleTtlMs: Number.POSITIVE_INFINITY,
    idleUntilMs: Number.POSITIVE_INFINITY,
    refreshAtMs: Number.POSITIVE_INFINITY,
    retryAtMs: 0,
  }
  return { ...aging, expiresAtMs: Math.min(aging.expiresAtMs, atMs) }
}

/** The same, for an entry that each hit has to look at closely. */
export function lookedAtAlways(aged: Aged): Aged {
  return { aging: expiredAging(aged, Number.POSITIVE_INFINITY), deadlineMs: ALWAYS }
}

function toDeadline(timeMs: number): number {
  if (timeMs === Number.POSITIVE_INFINITY) return NEVER
  const deadlineMs = Math.floor(timeMs)
  return deadlineMs === NEVER ? NEVER - 1 : deadlineMs
}
