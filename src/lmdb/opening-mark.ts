import { randomBytes } from "node:crypto"
import { closeSync, fsyncSync, openSync, readdirSync, statSync, unlinkSync } from "node:fs"
import { join } from "node:path"

const OF_AN_OPENING = /^opening\.[0-9a-f]{16}$/

/**
 * An empty file that stands for the last opening of a directory. The data file names it, and the next opening puts another
 * in its place before anybody writes again. So when an older data file comes back, by whatever way of copying, the mark
 * that it names is gone, or is a copy too, which was born later.
 */
export interface OpeningMark {
  readonly name: string
  readonly inode: string
  /** Nanoseconds. No way of copying keeps both this and the inode. */
  readonly born: string
}

/** Marks an opening that has begun. The mark counts when the data file names it. */
export function makeMark(directory: string, isSynced: boolean): OpeningMark {
  const name = `opening.${randomBytes(8).toString("hex")}`
  const file = openSync(join(directory, name), "wx")
  try {
    if (isSynced) fsyncSync(file)
  } finally {
    closeSync(file)
  }
  // The data file is not to outlast it when the machine crashes.
  if (isSynced) syncNames(directory)
  return readMark(directory, name) as OpeningMark
}

/** Whether the mark is there, and no copy. */
export function isInPlace(directory: string, { name, inode, born }: OpeningMark): boolean {
  const found = OF_AN_OPENING.test(name) ? readMark(directory, name) : undefined
  return found !== undefined && found.inode === inode && found.born === born
}

/** Removes the marks of other openings, ended or not. From then on an older data file is known for what it is. */
export function removeOtherMarks(directory: string, own: OpeningMark, isSynced: boolean): void {
  for (const name of readdirSync(directory)) {
    if (OF_AN_OPENING.test(name) && name !== own.name) unlinkSync(join(directory, name))
  }
  if (isSynced) syncNames(directory)
}

export function removeMark(directory: string, { name }: OpeningMark): void {
  try {
    unlinkSync(join(directory, name))
  } catch {
    // The next opening removes it.
  }
}

function readMark(directory: string, name: string): OpeningMark | undefined {
  const stats = statSync(join(directory, name), { bigint: true, throwIfNoEntry: false })
  if (stats === undefined) return undefined
  const { ino, birthtimeNs, ctimeNs } = stats
  // The time of the last change does as well where the system has no birth time: nobody changes the file.
  return { name, inode: String(ino), born: String(birthtimeNs === 0n ? ctimeNs : birthtimeNs) }
}

function syncNames(directory: string): void {
  try {
    const folder = openSync(directory, "r")
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch {
    // Not every system syncs a directory; then a crash of the machine may begin a new epoch.
  }
}
