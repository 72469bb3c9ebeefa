import { closeSync, openSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs"

/** LMDB keeps both of its locks at the beginning of the lock file. */
const SEARCHED_BYTES = 512
/** The other two bits of the word say that somebody waits, and that the owner has died. */
const THREAD_ID = 0x3fffffff
/** Offset of the lock for writing with the C libraries and processors seen so far; to know before the first own write. */
const EXPECTED_AT = new Map([
  ["x64", 64],
  ["arm64", 128],
])
const LMDB_MAGIC = 0xbeefc0de

/**
 * The holder of the lock for writing, on Linux. A thread that waits for it can't be stopped, and a process with such a thread
 * can't exit; so the writer looks before it locks, and where the owner stands still (SIGSTOP, a debugger, a container that
 * is paused) it waits without the lock. Elsewhere, and where the lock is not found, nobody is ever reported.
 *
 * The lock is read from the process's own memory. Opening the lock file once more and closing it would end LMDB's own locks on
 * it, since POSIX locks belong to the process.
 */
export class LockOwner {
  readonly #path: string
  #memory: number | undefined
  #address = 0
  readonly #word = Buffer.alloc(4)

  constructor(lockFilePath: string) {
    this.#path = lockFilePath
  }

  /** Inside a write transaction of this thread: finds out where its own id is written. */
  calibrate(): void {
    if (process.platform !== "linux" || this.#memory !== undefined) return
    try {
      const threadId = Number(readlinkSync("/proc/thread-self").split("/").at(-1))
      const start = mappedAt(this.#path)
      if (start === undefined || !(threadId > 0)) return
      const memory = openSync("/proc/self/mem", "r")
      const bytes = Buffer.alloc(SEARCHED_BYTES)
      readSync(memory, bytes, 0, SEARCHED_BYTES, start)
      for (let at = 0; at < SEARCHED_BYTES; at += 4) {
        if ((bytes.readUInt32LE(at) & THREAD_ID) !== threadId) continue
        this.#memory = memory
        this.#address = start + at
        return
      }
      closeSync(memory)
    } catch {
      // Without a readable /proc nobody is reported.
    }
  }

  /** Whether the lock is held by a thread that stands still, so that waiting for it may take for ever. */
  isStopped(): boolean {
    try {
      const owner = this.#memory === undefined ? this.#readUnmapped() : this.#readMapped(this.#memory)
      return owner > 0 && isStandingStill(owner)
    } catch {
      return false
    }
  }

  close(): void {
    if (this.#memory !== undefined) closeSync(this.#memory)
    this.#memory = undefined
  }

  #readMapped(memory: number): number {
    readSync(memory, this.#word, 0, 4, this.#address)
    return this.#word.readUInt32LE() & THREAD_ID
  }

  /** Before LMDB has opened the lock file, when there are no locks to lose yet. */
  #readUnmapped(): number {
    const at = EXPECTED_AT.get(process.arch)
    if (process.platform !== "linux" || at === undefined || mappedAt(this.#path) !== undefined) return 0
    const file = openSync(this.#path, "r")
    try {
      const bytes = Buffer.alloc(SEARCHED_BYTES)
      readSync(file, bytes, 0, SEARCHED_BYTES, 0)
      return bytes.readUInt32LE() === LMDB_MAGIC ? bytes.readUInt32LE(at) & THREAD_ID : 0
    } finally {
      closeSync(file)
    }
  }
}

/** Address at which this process has a file in its memory. */
function mappedAt(path: string): number | undefined {
  const { ino } = statSync(path, { bigint: true })
  for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
    // address perms offset dev inode path
    const [range, , offset, , inode] = line.split(/ +/, 5)
    if (inode === String(ino) && Number.parseInt(offset ?? "", 16) === 0 && line.endsWith("-lock")) {
      return Number.parseInt(range ?? "", 16)
    }
  }
  return undefined
}

/** In the arguments of a process that writes for a thread of another. */
export function mark(pid: number): string {
  return `zoocache-writes-for=${pid}`
}

const MARK = /\0zoocache-writes-for=([0-9]+)\0/

function isStandingStill(threadId: number): boolean {
  const state = stateOf(threadId)
  if (isStopped(state)) return true
  // A thread that runs, or has something written, does not wait for anybody.
  if (state !== "S" && state !== "D") return false
  if (isFrozen(threadId)) return true
  // A writer may hold the gate while the process that it serves opens the file.
  const served = MARK.exec(readFileSync(`/proc/${threadId}/cmdline`, "latin1"))?.[1]
  return served !== undefined && isStopped(stateOf(Number(served)))
}

/** A letter. */
function stateOf(threadId: number): string {
  const stat = readFileSync(`/proc/${threadId}/stat`, "latin1")
  // The name of the program, which may be anything, is in parentheses.
  return stat.charAt(stat.lastIndexOf(")") + 2)
}

function isStopped(state: string): boolean {
  return state === "T" || state === "t"
}

/** By its control group, as by `docker pause`: where those of others are to be seen. */
function isFrozen(threadId: number): boolean {
  for (const line of readFileSync(`/proc/${threadId}/cgroup`, "latin1").split("\n")) {
    const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (group === undefined) continue
    try {
      if (controllers === "") {
        if (/^frozen 1$/m.test(readFileSync(`${CONTROL_GROUPS}${group}/cgroup.events`, "latin1"))) return true
      } else if (controllers === "freezer") {
        const path = `${CONTROL_GROUPS}/freezer${group}/freezer.state`
        if (readFileSync(path, "latin1").trim() !== "THAWED") return true
      }
    } catch {
      // Another version of control groups, or those of another container.
    }
  }
  return false
}

const CONTROL_GROUPS = "/sys/fs/cgroup"
