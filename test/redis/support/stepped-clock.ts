import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { newFolder } from "./reaper.js"

const source = fileURLToPath(new URL("stepped-clock.c", import.meta.url))

/** A wall clock for a server, which can be stepped while it runs. */
export class SteppedClock {
  /** For the environment of the server's process. */
  readonly environment: Readonly<Record<string, string>>
  readonly #file: string

  private constructor(library: string, file: string) {
    this.#file = file
    this.environment = { LD_PRELOAD: library, STEPPED_CLOCK: file }
    this.#write(0, "w")
  }

  /** Undefined where it can't be made: it needs Linux and a C compiler. */
  static make(): SteppedClock | undefined {
    if (process.platform !== "linux") return undefined
    const folder = newFolder()
    const library = join(folder, "stepped-clock.so")
    const { status } = spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source], { stdio: "ignore" })
    return status === 0 ? new SteppedClock(library, join(folder, "offset")) : undefined
  }

  /** Sets it so far ahead of the machine's, or behind where it is negative. */
  step(offsetMs: number): void {
    // In place: the server has the file in its memory.
    this.#write(offsetMs, "r+")
  }

  #write(offsetMs: number, flag: "w" | "r+"): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(offsetMs))
    writeFileSync(this.#file, bytes, { flag })
  }
}
