/** Runs the same scenarios under Vitest, Jest, Sinon and node:test, and the blocks of docs/testing.md. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { installZoocache } from "../install-zoocache.mjs"

const folder = fileURLToPath(new URL("./", import.meta.url))
installZoocache(folder)
const page = readFileSync(join(folder, "..", "..", "docs", "testing.md"), "utf8")
const build = join(folder, "build")
rmSync(build, { recursive: true, force: true })
for (const tool of ["vitest", "jest", "node"]) mkdirSync(join(build, tool), { recursive: true })
const blocks = [...page.matchAll(/^```[jt]s\n\/\/ (vitest|jest|node): (\S+)\n([^]*?)^```$/gm)]
if (blocks.length !== page.match(/^```[jt]s/gm).length) throw new Error("docs/testing.md has a block that nothing runs")
for (const [, tool, name, text] of blocks) writeFileSync(join(build, tool, name), text)
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
const ofTap = (text) => {
  const count = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(text)[1])
  return { passed: count("pass"), failed: count("tests") - count("pass") }
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

for (const name of readdirSync(join(build, "node"))) {
  run(`docs/testing.md, ${name}`, ["--no-warnings", "--test", "--test-reporter=tap", join(build, "node", name)], ofTap)
}

rmSync(reports, { recursive: true, force: true })
process.exitCode = failed === 0 ? 0 : 1
console.log(`\n${passed} passed, ${failed} failed`)
