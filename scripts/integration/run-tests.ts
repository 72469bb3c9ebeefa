/**
 * `node --import tsx ../../scripts/integration/run-tests.ts [word…]`, run in a package below `integration/`: runs its
 * `test/*.test.ts`, those whose name has one of the words, with the runner of Node.js. The last line is `N passed, N failed`.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { run } from "node:test"
import { spec } from "node:test/reporters"

const words = process.argv.slice(2)
const folder = join(process.cwd(), "test")
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".test.ts") && (words.length === 0 || words.some((word) => name.includes(word))))
  .map((name) => join(folder, name))
if (files.length === 0) throw new Error(`No test file in ${folder} is named like ${words.join(", ")}`)

const counts = { passed: 0, failed: 0 }
const tests = run({ files, concurrency: 2, timeout: 240_000 })
tests.on("test:pass", ({ details, skip }) => {
  if (details.type !== "suite" && skip === undefined) counts.passed++
})
tests.on("test:fail", ({ details }) => {
  if (details.type !== "suite") counts.failed++
})
tests.once("end", () => {
  // After what the reporter has left to say.
  setImmediate(() => {
    console.log(`${counts.passed} passed, ${counts.failed} failed`)
    process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1
  })
})
tests.pipe(new spec()).pipe(process.stdout)
