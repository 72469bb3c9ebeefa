import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { dataFormat } from "./database.js"
import { readFreeBytes } from "./disk.js"
import { Refusal } from "./refusal.js"
import { FREE_FOR_LOG } from "./room.js"

const MAGIC = 0xbeefc0de
/** Behind the page's header: magic, format, address, size of the map, two trees of 48 bytes, the last page. */
const FORMAT_AT = 4
const PAGE_SIZE_AT = 24
const LAST_PAGE_AT = 120
const NEEDED_BYTES = 152

/**
 * Whether LMDB can open a data file. It has to be known before: when opening fails, lmdb-js 3.5 ends the process with a
 * segmentation fault. Throws {@link Refusal}, or what the system says.
 */
export function checkDataFile(path: string): void {
  const directory = dirname(path)
  accessSync(directory, constants.W_OK | constants.X_OK)
  const lock = `${path}-lock`
  if (statSync(lock, { throwIfNoEntry: false }) !== undefined) accessSync(lock, constants.R_OK | constants.W_OK)
  const { size } = statSync(path)
  if (readFreeBytes(directory) < FREE_FOR_LOG) throw new Refusal("open", directory, "the disk is full")
  if (size === 0) return
  const file = openSync(path, "r")
  try {
    const first = readMeta(file, 0)
    if (first === undefined)
      throw new Refusal("open", directory, "the data file in it is no LMDB file. Move it away, or pass another path")
    if (first.format !== dataFormat().version) {
      throw new Refusal(
        "open",
        directory,
        `the data file in it has LMDB's format ${first.format}, and the installed lmdb has ${dataFormat().version}. ` +
          "Remove it, or pass another path",
      )
    }
    const second = readMeta(file, first.pageSize)
    const lastPage = Math.max(first.lastPage, second?.lastPage ?? 0)
    // Pages at the end that were given up before they were written may be missing, much more may not.
    if (second?.format !== first.format || size * 2 < lastPage * first.pageSize) {
      throw new Refusal(
        "open",
        directory,
        "the data file in it is damaged. Remove it: what it held will be loaded again",
      )
    }
  } finally {
    closeSync(file)
  }
}

function readMeta(file: number, at: number): { format: number; pageSize: number; lastPage: number } | undefined {
  const { headerBytes } = dataFormat()
  const bytes = Buffer.alloc(headerBytes + NEEDED_BYTES)
  if (readSync(file, bytes, 0, bytes.length, at) < bytes.length) return undefined
  const meta = bytes.subarray(headerBytes)
  const pageSize = meta.readUInt32LE(PAGE_SIZE_AT)
  if (meta.readUInt32LE(0) !== MAGIC || pageSize < 256 || pageSize > 65_536) return undefined
  return {
    format: meta.readUInt32LE(FORMAT_AT) & 0xffff,
    pageSize,
    lastPage: Number(meta.readBigUInt64LE(LAST_PAGE_AT)),
  }
}
