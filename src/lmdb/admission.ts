import { randomBytes } from "node:crypto"
import { closeSync, openSync, readdirSync, unlinkSync } from "node:fs"
import { join } from "node:path"

const NAME = /^admission\.[0-9a-f]{16}$/

/**
 * A file that lets the thread of another process open the data file while this process holds the gate. The one that removes
 * it has it: the thread, which then opens, or this process, when the thread has not come in time. So the gate is neither held
 * for a thread that is busy, nor let go of while one opens.
 */
export class Admission {
  readonly path: string

  /** With the gate held, so that no other is in use. */
  constructor(directory: string) {
    for (const name of readdirSync(directory)) if (NAME.test(name)) remove(join(directory, name))
    this.path = join(directory, `admission.${randomBytes(8).toString("hex")}`)
    closeSync(openSync(this.path, "wx"))
  }

  /** True if nobody has taken it, and nobody will. */
  withdraw(): boolean {
    return remove(this.path)
  }
}

/** True if the data file may be opened; to be answered when it is. */
export function takeAdmission(path: string): boolean {
  return remove(path)
}

function remove(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch {
    return false
  }
}
