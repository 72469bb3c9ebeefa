import { type Duration, parseDuration } from "../base/duration.js"
import { checkNames, nonNegative, oneOf } from "../options/checks.js"
import type { Tiers } from "../options/options.js"
import { type Behaviour, TIERS } from "../options/settings.js"

/** How the result of one load is kept, in place of what its function says. */
export interface LoadSettings {
  /** See {@link AgeOptions.ttl}. */
  ttl?: Duration | undefined
  /** See {@link AgeOptions.grace}. */
  grace?: Duration | undefined
  /** `"memory"` keeps this result in this process; `"all"` is what the function says. */
  tiers?: Tiers | undefined
}

/** Settings of a load, checked. */
export interface Adjustments {
  ttlMs: number | undefined
  graceMs: number | undefined
  tiers: Tiers | undefined
  /** The result was made of something private, whatever anybody says. */
  readonly isSecret: boolean
}

const NAMES = new Set(["ttl", "grace", "tiers"])

/** Takes over settings that the code inside of a load has given. Throws `InvalidOptionError`, and then takes none. */
export function adjust(adjustments: Adjustments, given: LoadSettings): void {
  checkNames(given, NAMES, "currentLoad().set")
  const { ttl, grace, tiers } = given
  const ttlMs = ttl === undefined ? adjustments.ttlMs : parseDuration(ttl, "ttl")
  const graceMs = grace === undefined ? adjustments.graceMs : nonNegative(parseDuration(grace, "grace"), "grace")
  const checked = tiers === undefined ? adjustments.tiers : oneOf(tiers, TIERS, "tiers")
  Object.assign(adjustments, { ttlMs, graceMs, tiers: checked })
}

/** The behaviour of a function for the result of one load. */
export function behaviourOf(behaviour: Behaviour, { graceMs }: Adjustments): Behaviour {
  return graceMs === undefined ? behaviour : { ...behaviour, graceMs }
}

/** Whether the result of a load is kept in memory alone. */
export function staysInMemory(behaviour: Behaviour, { tiers, isSecret }: Adjustments): boolean {
  return behaviour.tiers === "memory" || tiers === "memory" || isSecret
}
