import { InvalidTokenError } from "../base/errors.js"
import { type Epoch, isSameEpoch, type Token, type Version } from "../tags/version.js"

/** The place up to which a log is applied here. */
export interface Applied {
  readonly epoch: Epoch
  readonly cursor: Version
}

/** The place that a token names. */
export interface Target {
  readonly epoch: Epoch
  readonly version: Version
}

export function hasReached({ epoch, cursor }: Applied, target: Target | undefined): boolean {
  return target !== undefined && isSameEpoch(target.epoch, epoch) && cursor >= target.version
}

/** Tells why a token names nothing that the log has. To be asked when all of the log is applied. @throws InvalidTokenError */
export function checkReached(applied: Applied, target: Target, token: Token | undefined): void {
  if (hasReached(applied, target)) return
  if (isSameEpoch(target.epoch, applied.epoch)) {
    throw new InvalidTokenError(token, "this log has not reached its version; was the token made by this log?")
  }
  // A token of an earlier life: what it names is stale with everything of that life, now that this one is known.
  if (target.epoch.ordinal < applied.epoch.ordinal) return
  throw new InvalidTokenError(token, "this log knows no such epoch; was the token made with another prefix or server?")
}
