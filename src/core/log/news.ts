import type { ZooCacheError } from "../base/errors.js"
import type { LogChange, LoggedChange } from "../ports/log.js"
import type { Version } from "../tags/version.js"

/** Changes that the log has put in order, and how far this process has followed it with them. */
export interface Batch {
  readonly changes: readonly (LogChange | LoggedChange)[]
  /** The one version of all changes; undefined where each has its own. */
  readonly version?: Version | undefined
  /** The maker of the changes, where they don't say so themselves. */
  readonly by: string
  /** Acknowledges an append of this process: each change of it was pending once, and no longer is. */
  readonly isAcknowledged?: boolean
  /** The cursor after these changes; undefined where others may lie between them and the cursor. */
  readonly cursor?: Version | undefined
  /** How far the log has forgotten, as a pull tells. */
  readonly floors?: { readonly tags: Version; readonly keys: Version } | undefined
}

/**
 * The receiver of what the log says. Only it moves the tag trie: each call leaves the trie whole, and listeners hear of a
 * change when all of it holds.
 */
export interface ChangeSink {
  /** Applies a batch: floors, then all marks, then the cursor, then one new stamp, then the events. */
  take(batch: Batch): void
  /** From now on each of these counts as newer than everything, once for each time it is given. */
  pending(changes: readonly LogChange[]): void
  /** Ends {@link ChangeSink.pending} of each, where something else covers them. */
  settled(changes: readonly LogChange[]): void
  /** The log began a new life; what is known of the old one is about to be forgotten. */
  epochEnds(): void
  /** Nothing that was stored in the old life can be trusted any more. */
  epochChanged(): void
  trustChanged(isTrusted: boolean): void
  fault(error: ZooCacheError): void
}
