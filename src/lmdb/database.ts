import { requirePeer } from "../packages/installed.js"

/** The part of an open database of lmdb-js that is used. */
export interface Database {
  /** The size of what was read last. */
  readonly lastSize: number
  /** The value in a buffer that the next read reuses, and whose own length says nothing: see {@link readRow}. */
  getBinaryFast(key: Uint8Array): Uint8Array | undefined
  put(key: Uint8Array, value: Uint8Array): unknown
  remove(key: Uint8Array): unknown
  /** Runs a write transaction. The write lock blocks the thread while another process has it. */
  transactionSync<T>(work: () => T): T
  /** In the order of the keys; `start` inclusive, `end` exclusive. */
  getRange(options: RangeOptions): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>
  getKeys(options: RangeOptions): Iterable<Uint8Array>
  /** The next read sees what is committed by then. */
  resetReadTxn(): void
  readerCheck(): number
  getStats(): DatabaseStats
  close(): Promise<void>
}

export interface RangeOptions {
  readonly start: Uint8Array
  readonly end: Uint8Array
  readonly limit?: number
}

interface TreeStats {
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
}

export interface DatabaseStats extends TreeStats {
  readonly pageSize: number
  readonly lastPageNumber: number
  readonly free: TreeStats
}

export interface OpenOptions {
  readonly path: string
  readonly mapSize?: number
  readonly readOnly?: boolean
  readonly noSync?: boolean
}

interface Lmdb {
  open(options: object): Database
  readonly version: { readonly patch: number }
  readonly nativeAddon: { readonly Env: new () => NativeEnvironment }
}

/** The part of an environment of lmdb-js below its databases that is used. */
export interface NativeEnvironment {
  open(options: object, flags: number, jsFlags: number): void
  close(): void
}

/** When it is used, so that an `import` of this package never fails. */
export function loadLmdb(): Lmdb {
  return requirePeer("lmdb") as Lmdb
}

/** The installed lmdb may have been built for either of two formats of data files. */
export function dataFormat(): { readonly version: number; readonly headerBytes: number } {
  const { version } = loadLmdb()
  return version.patch < 90 ? { version: 1, headerBytes: 16 } : { version: 2, headerBytes: 24 }
}

/** Two for each process that has it open. */
export const MAX_READERS = 1024

export function openDatabase(options: OpenOptions): Database {
  return loadLmdb().open({
    ...options,
    noSubdir: true,
    encoding: "binary",
    keyEncoding: "binary",
    cache: false,
    maxReaders: MAX_READERS,
    // A commit that is to last is synced before it returns.
    overlappingSync: false,
  })
}

/** A row, in memory that the next read reuses; undefined if there is none. */
export function readRow(database: Database, key: Uint8Array): Buffer | undefined {
  const bytes = database.getBinaryFast(key)
  return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, database.lastSize)
}

/** All at once, so that rows may be removed while the list is gone through. */
export function listKeys(database: Database, range: RangeOptions): Buffer[] {
  return Array.from(database.getKeys(range), asBuffer)
}

export function listRows(database: Database, range: RangeOptions): { readonly key: Buffer; readonly value: Buffer }[] {
  return Array.from(database.getRange(range), ({ key, value }) => ({ key: asBuffer(key), value: asBuffer(value) }))
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
