import { fieldOf, LogError } from "../base/errors.js"
import type { LoggedChange, PullReply } from "../ports/log.js"
import { isVersion } from "../tags/version.js"

export function isEpochLike(epoch: unknown): boolean {
  const { ordinal, nonce } = (epoch ?? {}) as { ordinal?: unknown; nonce?: unknown }
  return Number.isSafeInteger(ordinal) && typeof nonce === "string"
}

/** Throws where a reply is not one. */
export function checkPull(reply: PullReply): void {
  const isWhole =
    isEpochLike(reply?.epoch) &&
    isVersion(reply.head) &&
    isVersion(reply.floor) &&
    isVersion(reply.keyFloor) &&
    Array.isArray(reply.changes) &&
    reply.changes.every((change: LoggedChange) => isVersion(change?.version) && typeof change.path === "string")
  if (!isWhole) throw new LogError("pull", "it answered with something that is not a reply")
}

/** Repeating will not help soon. */
export function isPermanent(error: unknown): boolean {
  return fieldOf(error, "permanent") === true
}
