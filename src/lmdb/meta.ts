import { type Database, readRow } from "./database.js"
import type { FileId } from "./files.js"
import { FORMAT, META_KEY } from "./layout.js"
import { isInPlace, type OpeningMark } from "./opening-mark.js"
import { Refusal } from "./refusal.js"

const NAME = "zoocache"

/** With what the data file was when this was written. */
interface Meta extends FileId {
  readonly name: string
  readonly format: number
  readonly madeAtMs: number
  /** The mark of the last opening. */
  readonly mark: OpeningMark
}

/**
 * Looks at what a file says of itself, and writes into it what it is now. Inside a write transaction. Answers whether the
 * file is a copy of another or an older state of itself, so that the logs in it may have gone on elsewhere. Throws
 * {@link Refusal}.
 */
export function checkMeta(
  database: Database,
  directory: string,
  id: FileId,
  mark: OpeningMark,
  wallMs: number,
): boolean {
  const row = readRow(database, META_KEY)
  if (row === undefined) {
    if (database.getStats().entryCount > 0) {
      throw new Refusal("open", directory, "its data file belongs to another program. Pass another path")
    }
    write(database, { name: NAME, format: FORMAT, ...id, madeAtMs: wallMs, mark })
    return false
  }
  const meta = parse(row)
  if (meta?.name !== NAME) {
    throw new Refusal("open", directory, "its data file belongs to another program. Pass another path")
  }
  if (meta.format !== FORMAT) {
    throw new Refusal(
      "open",
      directory,
      `its data file has format ${meta.format}, and this version of zoocache knows format ${FORMAT}. Use the version ` +
        "that made it, pass another path, or remove the directory while no process uses it: what it held will be loaded again",
    )
  }
  // A process to which the system does not tell the birth time has to do without.
  const isSameFile = meta.inode === id.inode && (id.birth === null || meta.birth === id.birth)
  const isNewest = meta.mark !== undefined && isInPlace(directory, meta.mark)
  write(database, { name: NAME, format: FORMAT, ...id, madeAtMs: meta.madeAtMs ?? wallMs, mark })
  return !isSameFile || !isNewest
}

function parse(row: Buffer): Partial<Meta> | undefined {
  try {
    return JSON.parse(row.toString()) as Partial<Meta>
  } catch {
    return undefined
  }
}

function write(database: Database, meta: Meta): void {
  database.put(META_KEY, Buffer.from(JSON.stringify(meta)))
}
