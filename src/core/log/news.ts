import type { ZooCacheError } from "../base/errors.js"
import type { LogChange } from "../ports/log.js"
import type { Version } from "../tags/version.js"

/** What the client tells of changes; the engine knows what to do to nodes, entries and loads. */
export interface ChangeSink {
  /** A change got its version. Called before the cursor moves over it. */
  applied(change: LogChange, version: Version, by: string): void
  /** A change counts as newer than everything until {@link ChangeSink.settled}, once for each call. */
  pending(change: LogChange): void
  settled(change: LogChange): void
  /** Everything of this batch is applied and the cursor is where it belongs. */
  caughtUp(): void
  /** The log began a new life; what is known of the old one is about to be forgotten. */
  epochEnds(): void
  /** Nothing that was stored in the old life can be trusted any more. */
  epochChanged(): void
  fault(error: ZooCacheError): void
  trustChanged(isTrusted: boolean): void
}
