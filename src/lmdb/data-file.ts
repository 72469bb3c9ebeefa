import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { dataFormat } from "./database.js"
import { readFreeBytes } from "./disk.js"
import { Refusal } from "./refusal.js"
import { FREE_FOR_LOG } from "./free-space.js"

const MAGIC = 0xbeefc0de
/** Behind the page's header: magic, format, address, size of the map, two trees of 48 bytes, the last page. */
const FORMAT_AT = 4
const PAGE_SIZE_AT = 24
const LAST_PAGE_AT = 120
const NEEDED_BYTES = 152
const ATTEMPTS = 20
const ATTEMPT_PAUSE_MS = 5

/**
 * Whether LMDB can open a data file. This has to be known before: when opening fails, lmdb-js 3.5 ends the process with a
 * segmentation fault. Throws {@link Refusal}, or what the system says.
 */
export function checkDataFile(path: string): void {
  const directory = dirname(path)
  accessSync(directory, constants.W_OK | constants.X_OK)
  const lock = `${path}-lock`
  if (statSync(lock, { throwIfNoEntry: false }) !== undefined) accessSync(lock, constants.R_OK | constants.W_OK)
  if (readFreeBytes(directory) < FREE_FOR_LOG) throw new Refusal("open", directory, "the disk is full")
  // Another process may be making the file at this moment, or letting it grow: what looks damaged is looked at again.
  for (let attempt = 1; ; attempt += 1) {
    const wrong = faultOf(path)
    if (wrong === undefined) return
    if (attempt === ATTEMPTS) throw new Refusal("open", directory, wrong)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ATTEMPT_PAUSE_MS)
  }
}

function faultOf(path: string): string | undefined {
  if (statSync(path).size === 0) return undefined
  const file = openSync(path, "r")
  try {
    const first = readMeta(file, 0)
    if (first === undefined) return "the data file in it is no LMDB file. Move it away, or pass another path"
    if (first.format !== dataFormat().version) {
      return (
        `the data file in it has LMDB's format ${first.format}, and the installed lmdb has ${dataFormat().version}. ` +
        "Remove it, or pass another path"
      )
    }
    const second = readMeta(file, first.pageSize)
    const lastPage = Math.max(first.lastPage, second?.lastPage ?? 0)
    // Read after what it is compared with. Pages at the end that were given up before they were written may be missing,
    // much more may not.
    const { size } = fstatSync(file)
    const isDamaged = second?.format !== first.format || size * 2 < lastPage * first.pageSize
    return isDamaged ? "the data file in it is damaged. Remove it: what it held will be loaded again" : undefined
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
