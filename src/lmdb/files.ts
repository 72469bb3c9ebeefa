import { fieldOf, isA, messageOf } from "../core/base/errors.js"
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  statSync,
  unlinkSync,
} from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { checkDataFile } from "./data-file.js"
import { Refusal } from "./refusal.js"

const DURABLE = "data.mdb"
const LOCK = "-lock"
const OF_A_BOOT = /^data\.([0-9a-f]+)\.mdb$/

/** The data file of a directory. */
export interface DataFile {
  readonly path: string
  /** Without syncing: the file is for this boot of the machine only. */
  readonly isSynced: boolean
  /** Epochs begin above this: what earlier boots may have given out. */
  readonly leastOrdinal: number
}

/** Identity of a data file and its lock file: another pair at their path is another store. */
export function identityOf(path: string): string | undefined {
  try {
    const data = statSync(path, { bigint: true, throwIfNoEntry: false })
    const lock = statSync(path + LOCK, { throwIfNoEntry: false })
    if (data === undefined || lock === undefined) return undefined
    return `${data.dev}:${data.ino}:${birthOf(data) ?? ""} ${lock.dev}:${lock.ino}`
  } catch {
    // A file that can't be looked at can't be opened by anybody else either.
    return undefined
  }
}

/** Identity of a data file that a copy does not share. */
export interface FileId {
  /** With the device. A file that is removed leaves its number to the next. */
  readonly inode: string
  /** Nanoseconds; null where the file system does not know it. */
  readonly birth: string | null
}

const BIRTH_TRIES = 10
const BIRTH_PAUSE_MS = 5

/** Identity of a data file that is open. For the writer thread: waits some milliseconds where the file was just made. */
export function fileIdOf(path: string): FileId {
  for (let left = BIRTH_TRIES; ; left -= 1) {
    const stats = statSync(path, { bigint: true })
    const birth = birthOf(stats)
    const isUnclear = birth === undefined && stats.birthtimeNs !== 0n
    if (!isUnclear || left === 0 || !isChangeNoted(path, stats)) {
      return { inode: `${stats.dev}:${stats.ino}`, birth: birth ?? null }
    }
  }
}

/** Birth time of a file. Systems without one give none, or the time of the last change, which moves with every write. */
function birthOf({ birthtimeNs, ctimeNs }: BigIntStats): string | undefined {
  return birthtimeNs === 0n || birthtimeNs === ctimeNs ? undefined : String(birthtimeNs)
}

/** Parts the time of the last change from that of birth, if those are two. False where this process may not. */
function isChangeNoted(path: string, { mode }: BigIntStats): boolean {
  // Both are of a clock that ticks every few milliseconds.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BIRTH_PAUSE_MS)
  try {
    chmodSync(path, Number(mode & 0o7777n))
    return true
  } catch {
    return false
  }
}

/**
 * Makes the directory, finds out which file in it is to be opened, and removes those of earlier boots. Throws
 * {@link Refusal}.
 */
export function prepareFile(directory: string, isDurable: boolean, bootId: string | undefined): DataFile {
  makeDirectory(directory)
  // Only a synced file can be trusted after a boot that nobody can tell from the one before.
  const isSynced = isDurable || bootId === undefined
  const ofThisBoot = bootId === undefined ? undefined : `data.${bootId}.mdb`
  const name = isSynced ? DURABLE : (ofThisBoot as string)
  const otherMode = isSynced ? ofThisBoot : DURABLE
  const checkOther = () => {
    if (otherMode !== undefined && statSync(join(directory, otherMode), { throwIfNoEntry: false }) !== undefined) {
      throw otherModeError(directory, isDurable, otherMode)
    }
  }
  const isMade = makeFile(directory, name, checkOther)
  try {
    // Again, with the own file in its place: of two that begin at the same time at least one sees the other.
    checkOther()
  } catch (error) {
    if (isMade) unlinkSync(join(directory, name))
    throw error
  }
  try {
    checkDataFile(join(directory, name))
  } catch (error) {
    throw openError(directory, error)
  }
  const leastOrdinal = isSynced ? 0 : removeOfOtherBoots(directory, name)
  return { path: join(directory, name), isSynced, leastOrdinal }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "EEXIST" || code === "ENOTDIR") {
      throw new Refusal(
        "open",
        directory,
        "it, or a folder above it, is a file. Pass the path of a directory of its own; it is made where there is none",
        error,
      )
    }
    throw openError(directory, error)
  }
}

/** True if it was not there before. */
function makeFile(directory: string, name: string, check: () => void): boolean {
  const path = join(directory, name)
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) throw new Refusal("open", directory, `${name} in it is a folder. Remove it`)
  check()
  try {
    // LMDB takes an empty file for a new one.
    closeSync(openSync(path, found === undefined ? "ax" : "a"))
    return found === undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw openError(directory, error)
  }
}

/** Answers with the Unix seconds after the last of them was written. */
function removeOfOtherBoots(directory: string, own: string): number {
  let seconds = 0
  for (const name of readdirSync(directory)) {
    if (name === own || !OF_A_BOOT.test(name)) continue
    const path = join(directory, name)
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) continue
    seconds = Math.max(seconds, Math.floor(found.mtimeMs / 1000) + 1)
    for (const each of [path, path + LOCK]) {
      try {
        unlinkSync(each)
      } catch {
        // Another process removes them as well.
      }
    }
  }
  return seconds
}

export function openError(directory: string, error: unknown): Refusal {
  if (isA(error, Refusal)) return error
  const code = fieldOf(error, "code")
  const reason = REASONS.get(code as string | number) ?? messageOf(error)
  return new Refusal("open", directory, reason, error)
}

const notWritable = "this process may not write there. Give it the right to, or pass another path"

const REASONS: ReadonlyMap<string | number, string> = new Map<string | number, string>([
  ["EACCES", notWritable],
  ["EPERM", notWritable],
  ["EROFS", "its file system is read-only. Pass a path that can be written"],
  ["ENOSPC", "the disk is full"],
  [13, notWritable],
  [1, notWritable],
  [30, "its file system is read-only. Pass a path that can be written"],
  [28, "the disk is full"],
  [-30793, "the data file in it is no LMDB file. Move it away, or pass another path"],
  [-30794, "the data file in it was written by another version of LMDB. Remove it, or pass another path"],
  [-30796, "the data file in it is damaged. Remove the directory: what it held will be loaded again"],
  [-30797, "the data file in it is damaged. Remove the directory: what it held will be loaded again"],
  [-30790, "too many processes have it open"],
])

function otherModeError(directory: string, isDurable: boolean, other: string): Refusal {
  return new Refusal(
    "open",
    directory,
    `it was made with \`durable: ${!isDurable}\`, and one directory has one mode. Use that, pass another path, or remove ` +
      `${other} and ${other}${LOCK} while no process uses them`,
  )
}

/** The same for all spellings of a path, also where the directory is yet to be made. */
export function realDirectory(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    const parent = dirname(absolute)
    return parent === absolute ? absolute : join(realDirectory(parent), basename(absolute))
  }
}
