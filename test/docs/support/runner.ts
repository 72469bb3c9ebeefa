/**
 * Runs the examples one after the other in this process, each with a database and a default cache of its own, and prints
 * what went wrong as JSON: by the name of the program, its error.
 */
import { readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"
import { reset } from "zoocache"
import { setUp } from "./world.js"

/** Only an example that hangs waits so long. */
const LONGEST_MS = 60_000

const [list = ""] = process.argv.slice(2)
const files = JSON.parse(readFileSync(list, "utf8")) as Record<string, string>
const faults: Record<string, string> = {}
let running = ""

process.on("unhandledRejection", (error) => {
  faults[running] ??= textOf(error)
})
// What the examples print is theirs.
console.log = console.warn = console.error = () => {}

for (const [name, file] of Object.entries(files)) {
  running = name
  setUp()
  try {
    await Promise.race([import(pathToFileURL(file).href), hanging()])
  } catch (error) {
    faults[name] = textOf(error)
  }
  await reset()
}
process.stdout.write(JSON.stringify(faults), () => process.exit(0))

function hanging(): Promise<never> {
  return new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error(`does not end within ${LONGEST_MS / 1000} s`)), LONGEST_MS).unref()
  })
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
