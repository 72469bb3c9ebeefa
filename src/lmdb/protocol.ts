import type { AppendReply, LogChange, LogPosition } from "../core/ports/log.js"
import type { Amendment, Rank } from "../core/ports/store.js"
import type { EntryBudget } from "./entry-rows.js"
import type { LogBudget } from "./log-rows.js"
import type { SentError } from "./refusal.js"

/** Settings that the thread, or the process, is started with. */
export interface WriterSettings {
  readonly directory: string
  readonly isDurable: boolean
  readonly mapSize: number
  /** For tests: instead of the one that the system tells. */
  readonly bootId: string | undefined
  readonly sweepPauseMs: number
}

export interface LogAppend {
  readonly type: "append"
  readonly prefix: string
  readonly changes: readonly LogChange[]
  readonly position: LogPosition
  readonly origin: string
  readonly budget: LogBudget
}

export type LogWrite =
  | { readonly type: "attach"; readonly prefix: string }
  | { readonly type: "renew"; readonly prefix: string; readonly position: LogPosition }
  | LogAppend

export type StoreWrite =
  | {
      readonly type: "put"
      readonly prefix: string
      readonly key: string
      /** Offset of the row in the bytes of the message. */
      readonly at: number
      readonly size: number
      readonly usedMs: number
      readonly budget: EntryBudget
    }
  | { readonly type: "remove"; readonly prefix: string; readonly key: string; readonly rank: Rank }
  | {
      readonly type: "touch"
      readonly prefix: string
      readonly key: string
      readonly rank: Rank
      readonly amendment: Amendment
      readonly usedMs: number
    }

/** A write of a store without what only the queue knows. */
export type StoreRequest =
  Omit<StoreWrite & { readonly type: "put" }, "at" | "size"> | Exclude<StoreWrite, { readonly type: "put" }>

export type ToWriter =
  | { readonly type: "open" }
  /** To a process: asks for the gate to be held, so that the file can be opened for reading. */
  | { readonly type: "admit" }
  /** The file is open, or could not be opened. */
  | { readonly type: "entered" }
  | {
      readonly type: "write"
      readonly log: readonly LogWrite[]
      readonly store: readonly StoreWrite[]
      /** The number of the first of each kind; those behind it count on. */
      readonly logFrom: number
      readonly storeFrom: number
      /** The rows of all puts, one behind the other. */
      readonly bytes: Uint8Array | undefined
    }
  | { readonly type: "close" }

export type Outcome<Value> = { readonly value: Value } | { readonly error: SentError }
export type LogOutcome = Outcome<AppendReply | undefined>
export type StoreOutcome = Outcome<boolean>

export type FromWriter =
  | { readonly type: "opened"; readonly path: string; readonly identity: string; readonly isSynced: boolean }
  /** The gate is held for whoever takes this {@link Admission}, and until that is answered. */
  | { readonly type: "admitted"; readonly admission: string }
  /** Nothing that was sent before will be written any more. */
  | { readonly type: "failed"; readonly error: SentError }
  | {
      readonly type: "written"
      readonly log: readonly LogOutcome[]
      readonly store: readonly StoreOutcome[]
      /** Which writes these are the outcomes of. */
      readonly logIds: readonly number[]
      readonly storeIds: readonly number[]
    }
  /** The file is not at its path any more, and the last writes with it. */
  | { readonly type: "lost" }
  | { readonly type: "fault"; readonly error: SentError }
  | { readonly type: "closed" }
