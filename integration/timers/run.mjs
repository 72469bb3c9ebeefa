/** Runs the same scenarios under Vitest, Jest, Sinon and node:test, each with its own runner. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { installZoocache } from "../install-zoocache.mjs"

const folder = fileURLToPath(new URL("./", import.meta.url))
installZoocache(folder)
const reports = mkdtempSync(join(tmpdir(), "zoocache-reports-"))
let passed = 0
let failed = 0

/** Runs a command and counts; one that reports nothing has failed. */
function run(name, args, countOf) {
  console.log(`\n==> ${name}`)
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 2 ** 28,
    timeout: 120_000,
  })
  let counts
  try {
    counts = countOf(stdout)
  } catch {
    counts = { passed: 0, failed: 1 }
  }
  if (counts.passed === 0 || (status !== 0 && counts.failed === 0)) counts.failed += 1
  if (counts.failed > 0) console.log(stdout)
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed`)
  passed += counts.passed
  failed += counts.failed
}

/** The report that Vitest writes, and Jest too. */
const reported = (name) => () => {
  const { numPassedTests, numTotalTests } = JSON.parse(readFileSync(report(name), "utf8"))
  return { passed: numPassedTests, failed: numTotalTests - numPassedTests }
}
/** The last line of scenarios that run without a runner. */
const printed = (text) => {
  const [, passed, failed] = /^# passed (\d+) failed (\d+)$/m.exec(text)
  return { passed: Number(passed), failed: Number(failed) }
}
const require = createRequire(import.meta.url)
const report = (name) => join(reports, name)

run(
  "Vitest",
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile=${report("vitest")}`,
  ],
  reported("vitest"),
)
run("Jest", ["node_modules/jest/bin/jest.js", "--ci", "--json", `--outputFile=${report("jest")}`], reported("jest"))
for (const file of ["sinon/sinon.cjs", "node/mock-timers.cjs"]) {
  for (const setting of require(`./${file}`)) run(`${file}, ${setting}`, ["--no-warnings", file, setting], printed)
}

rmSync(reports, { recursive: true, force: true })
process.exitCode = failed === 0 ? 0 : 1
console.log(`\n${passed} passed, ${failed} failed`)
