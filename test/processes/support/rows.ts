import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs"
import type { Row } from "./history.js"

/**
 * The source of truth: a file of counters that all processes read and write directly. Each process (rather, whoever
 * takes its place) counts in a column of its own, so that no two writes race, and a count never goes back.
 */
export class Rows {
  readonly #file: number
  readonly #columns: number

  constructor(path: string, { rows, columns }: RowsShape) {
    this.#columns = columns
    this.#file = openSync(path, "a+")
    closeSync(this.#file)
    this.#file = openSync(path, "r+")
    // Also makes a new file as long as it has to be.
    ftruncateSync(this.#file, rows * columns * 8)
  }

  read(row: number): Row {
    const buffer = Buffer.alloc(this.#columns * 8)
    readSync(this.#file, buffer, 0, buffer.length, row * buffer.length)
    return Array.from({ length: this.#columns }, (_, column) => buffer.readDoubleLE(column * 8))
  }

  /** Counts up, and returns the count. */
  write(row: number, column: number): number {
    const count = (this.read(row)[column] ?? 0) + 1
    const buffer = Buffer.alloc(8)
    buffer.writeDoubleLE(count)
    writeSync(this.#file, buffer, 0, 8, (row * this.#columns + column) * 8)
    return count
  }

  close(): void {
    closeSync(this.#file)
  }
}

export interface RowsShape {
  readonly rows: number
  readonly columns: number
}
