import type { EntryId } from "../values/id.js"
import type { Definition } from "./definition.js"
import type { Frame } from "./frame.js"

/** The call of a function for a key, which may have to wait. */
export interface Asked {
  readonly definition: Definition
  readonly id: EntryId
  readonly self: unknown
  readonly args: readonly unknown[]
  /** The arguments as the caller has them, where `args` are what was kept of them when the call began to wait. */
  readonly given?: readonly unknown[] | undefined
  /** Some of them could not be copied, so that they may name another key by now. */
  readonly mayHaveChanged?: boolean | undefined
}

/** A load that is to begin: of which key, how, and on whose behalf. */
export interface LoadRequest extends Asked {
  /** Surroundings of the caller; undefined for what runs in the background. */
  readonly frame: Frame | undefined
  readonly isPrivate: boolean
  /** Wants a load that begins from now on. */
  readonly isFresh: boolean
  /** Outside of the caller's async context, whatever the definition says. */
  readonly isBackground: boolean
  /** How many loads of this key failed in a row before; for the back-off of errors that are kept. */
  readonly failures: number
}
