import { type Database, loadLmdb, MAX_READERS, openDatabase } from "./database.js"

const NO_SUBDIRECTORY = 0x4000
const NO_SYNC = 0x10000

/**
 * Opens a data file for reading where perhaps no thread of this process has it open. With the gate held.
 *
 * All threads of a process share what the first of them opens, also one that comes to write. So it is opened for writing;
 * but without a database, because opening one would take a transaction, in which this thread could be ended.
 */
export function openReader(path: string, mapSize: number, isSynced: boolean): Database {
  const environment = new (loadLmdb().nativeAddon.Env)()
  const flags = NO_SUBDIRECTORY | (isSynced ? 0 : NO_SYNC)
  environment.open({ path, mapSize, maxReaders: MAX_READERS, keyBytes: Buffer.alloc(4096) }, flags, 0)
  try {
    return openDatabase({ path, readOnly: true })
  } finally {
    environment.close()
  }
}
