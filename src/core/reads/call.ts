import type { Entry } from "../entries/table.js"
import type { Frame } from "../loads/frame.js"
import type { Asked, LoadRequest } from "../loads/load-request.js"

/** A read that may load. */
export interface Call extends Asked {
  readonly frame: Frame | undefined
  readonly signal: AbortSignal | undefined
  /** Wants a load that begins after now. */
  readonly isFresh: boolean
  /** The answer of a shared tier that had to be waited for. */
  readonly fetched?: Fetched
}

export interface Fetched {
  readonly entry: Entry | undefined
  /** When the caller arrived, in the time of `Turn.now`. */
  readonly arrivedMs: number
}

/** The load that a call asks for. */
export function requestFor(call: Call, isPrivate: boolean): LoadRequest {
  const { definition, id, self, args, given, mayHaveChanged, frame, isFresh } = call
  const failures = definition.table.entries.get(id)?.rare?.failures ?? 0
  const asked = { definition, id, self, args, given, mayHaveChanged }
  return { ...asked, frame, isPrivate, isFresh, isBackground: false, failures }
}
