import type { Entry, Table } from "../entries/table.js"
import type { Epoch, Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"

/** A value that was set, on its way to the log. */
export interface SetByHand {
  readonly table: Table
  readonly id: EntryId
  /** Undefined where memory does not keep it. */
  readonly entry: Entry | undefined
  /** The form of the shared tier; undefined without one. */
  readonly bytes: Uint8Array | undefined
  readonly epoch: Epoch
  /** As in the bytes. */
  readonly asOf: Version
}

/** Values that wait for their version, where nothing newer was said of their key in this process since. */
export class LatestSets {
  readonly #byTable = new Map<Table, Map<EntryId, SetByHand>>()

  note(value: SetByHand): void {
    if (value.bytes === undefined) return
    const ofTable = this.#byTable.get(value.table) ?? new Map<EntryId, SetByHand>()
    this.#byTable.set(value.table, ofTable.set(value.id, value))
  }

  /** True for the newest word on its key, once: a log may have put two appends in the other order. */
  take(value: SetByHand): boolean {
    if (this.#byTable.get(value.table)?.get(value.id) !== value) return false
    this.forget(value.table, value.id)
    return true
  }

  /** A newer word on a key was said here: a value on its way to the log is not shared any more. */
  forget(table: Table, id: EntryId): void {
    const ofTable = this.#byTable.get(table)
    if (ofTable?.delete(id) === true && ofTable.size === 0) this.#byTable.delete(table)
  }

  forgetTable(table: Table): void {
    this.#byTable.delete(table)
  }
}
