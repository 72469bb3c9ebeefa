import { statSync } from "node:fs"
import { dirname, join } from "node:path"
import { checkDataFile } from "./data-file.js"
import { type Database, openDatabase } from "./database.js"

/**
 * A lock over a directory's data file, held for each transaction and for each opening.
 *
 * LMDB's own lock for writing is not enough: a process that opens a file sets the shared number of its newest transaction
 * to what it has read before, without any lock (`mdb_env_open2` of lmdb-js 3.5). A transaction that another process
 * commits in between is then overwritten by the next one, with whatever it had acknowledged. So nobody may commit while
 * somebody opens.
 *
 * The lock is that of a second, empty environment, in which nothing is ever written, so that the same fault has nothing to
 * overwrite. The lock ends with the process that holds it, like LMDB's own.
 */
export class Gate {
  readonly lockPath: string
  readonly #database: Database

  private constructor(path: string) {
    this.lockPath = `${path}-lock`
    this.#database = openDatabase({ path, mapSize: GATE_BYTES, noSync: true })
  }

  /** Throws {@link Refusal} where there is something else in its place. */
  static open(dataPath: string): Gate {
    const path = gatePathOf(dataPath)
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) checkDataFile(path)
    return new Gate(path)
  }

  hold<T>(work: () => T): T {
    return this.#database.transactionSync(work)
  }

  /** Holds it until the promise is settled, while this thread does other things. Nothing else may hold it meanwhile. */
  async holdUntil(work: () => Promise<void>): Promise<void> {
    await this.#database.transactionSync(work)
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

export function gatePathOf(dataPath: string): string {
  return join(dirname(dataPath), GATE_NAME)
}

const GATE_NAME = "gate.mdb"
const GATE_BYTES = 64 * 1024
