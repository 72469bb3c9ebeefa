/**
 * `npm run fuzz -- --seconds 60 --seed 1`: random, damaged and forged entries against the codec. Prints the seed and what
 * was tried; exits with 1 on the first find, which the same seed shows again.
 */
import { parseArgs } from "node:util"
import { fuzz, randomFrom } from "../test/codec/fuzz.js"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 2 ** 32) },
  },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed)
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error("Usage: npm run fuzz -- [--seconds 60] [--seed 1]")
  process.exit(2)
}

console.log(`Seed ${seed}, ${seconds} seconds`)
const endMs = performance.now() + seconds * 1000
let cases = 0
const { counts, finds } = fuzz(randomFrom(seed), (done) => {
  cases = done
  return performance.now() < endMs
})
for (const [what, count] of Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`  ${what.padEnd(24)} ${count}`)
if (finds.length > 0) {
  console.error(`FOUND after ${cases} cases, seed ${seed}:\n${finds.join("\n")}`)
  process.exit(1)
}
console.log(`${cases} cases, nothing found; ${Math.round(process.resourceUsage().maxRSS / 1024)} MB at most`)
