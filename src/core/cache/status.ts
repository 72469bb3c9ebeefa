import type { Version } from "../tags/version.js"
import type { OpenCache } from "./open.js"

/** The state of a cache. */
export interface Status {
  /** `"unsure"`: it can't confirm that it is up to date; see `staleness`. */
  readonly state: "ready" | "unsure" | "closed"
  readonly prefix: string
  /** Newest version applied without gaps. */
  readonly cursor: Version
  /** How long ago the log confirmed that nothing was missed; 0 in one process. */
  readonly confirmedAgoMs: number
  /** Invalidations that the log has not acknowledged. */
  readonly pending: number
}

export function statusOf({ lifetime, client, trie, settings }: OpenCache): Status {
  if (!lifetime.isOver) client.checkTrust()
  return {
    state: lifetime.isOver ? "closed" : trie.trusted === null ? "unsure" : "ready",
    prefix: settings.prefix,
    cursor: trie.cursor,
    confirmedAgoMs: client.confirmedAgoMs(),
    pending: client.pending,
  }
}
