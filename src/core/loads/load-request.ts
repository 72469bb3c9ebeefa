import type { EntryId } from "../values/id.js"
import type { Definition } from "./definition.js"
import type { Frame } from "./frame.js"

/** A load that is to begin: of which key, how, and on whose behalf. */
export interface LoadRequest {
  readonly definition: Definition
  readonly id: EntryId
  readonly self: unknown
  readonly args: readonly unknown[]
  /** Surroundings of the caller; undefined for what runs in the background. */
  readonly frame: Frame | undefined
  readonly isPrivate: boolean
  /** Wants a load that begins from now on. */
  readonly isFresh: boolean
  /** Outside of the caller's async context, whatever the definition says. */
  readonly isBackground: boolean
  /** How many loads of this key failed in a row before; for the back-off of errors that are kept. */
  readonly failures: number
  /** The arguments as they are at the call have been kept, since the load waits; see `deferral.ts`. */
  readonly hasWaited?: boolean
  /** Some of them could not be copied, so that they may name another key by now. */
  readonly mayHaveChanged?: boolean
}
