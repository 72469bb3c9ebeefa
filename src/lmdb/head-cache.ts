import { HEAD_AT, type Head, NONCE_AT, ORDINAL_AT, readHead } from "./layout.js"

/**
 * The state of a log as last read. Most looks find what the one before has found, so what a row says is taken apart only
 * when it has changed; and the epoch is one object for as long as it lasts.
 */
export class HeadCache {
  #head: Head | undefined
  #nonceHigh = 0
  #nonceLow = 0

  read(row: Buffer): Head {
    const known = this.#head
    if (known !== undefined && this.#isOfEpoch(row, known)) {
      // Nothing in it changes without the newest version.
      if (row.readDoubleLE(HEAD_AT) === known.head) return known
      return (this.#head = { ...readHead(row), epoch: known.epoch })
    }
    this.#nonceHigh = row.readUInt32LE(NONCE_AT)
    this.#nonceLow = row.readUInt32LE(NONCE_AT + 4)
    return (this.#head = readHead(row))
  }

  #isOfEpoch(row: Buffer, { epoch }: Head): boolean {
    return (
      row.readUInt32LE(NONCE_AT) === this.#nonceHigh &&
      row.readUInt32LE(NONCE_AT + 4) === this.#nonceLow &&
      row.readDoubleLE(ORDINAL_AT) === epoch.ordinal
    )
  }
}
