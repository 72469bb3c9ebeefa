import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Measured, Runner } from "./question.js"

export interface PythonEnvironment {
  readonly python: string
  /** Python and the packages, with their versions. */
  readonly versions: string
  /** A folder of its own, gone afterwards. */
  readonly folder: string
  remove(): void
}

/** Installs packages into a virtual environment in a temporary folder. Throws what went wrong if that can't be done. */
export function makePythonEnvironment(packages: readonly string[]): PythonEnvironment {
  const folder = mkdtempSync(join(tmpdir(), "zoocache-bench-"))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.on("exit", remove)
  try {
    run("python3", ["-m", "venv", join(folder, "venv")])
    const python = join(folder, "venv", "bin", "python")
    run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages])
    const versions = run(python, [
      "-c",
      `import platform; from importlib.metadata import version; print("Python " + platform.python_version(), *(name + " " + version(name) for name in ${JSON.stringify(packages)}), sep=", ")`,
    ])
    return { python, versions: versions.trim(), folder, remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** Starts a program that answers each line on its input with a line of JSON. */
export function startPython(python: string, args: readonly string[]): Runner {
  const child = spawn(python, args, { stdio: ["pipe", "pipe", "inherit"] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid as number,
    async round() {
      child.stdin.write("\n")
      const answer = await answers.next()
      if (answer.done === true) throw new Error(`${args.join(" ")} ended without an answer`)
      return JSON.parse(answer.value) as Measured
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, "exit")
      child.stdin.end()
      await exited
    },
  }
}

function run(command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, { encoding: "utf8" })
  if (done.error !== undefined) throw done.error
  if (done.status !== 0) throw new Error(lastLine(done.stderr) ?? `${command} ended with code ${done.status}`)
  return done.stdout
}

function lastLine(text: string): string | undefined {
  return text.trim().split("\n").at(-1)
}
