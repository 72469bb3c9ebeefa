import fc from "fast-check"

// ZOOCACHE_RUNS: how many cases each property tries. ZOOCACHE_SEED: the seed that a failure printed, to see it again.
const runs = integer("ZOOCACHE_RUNS")
const seed = integer("ZOOCACHE_SEED")

fc.configureGlobal({
  ...(runs === undefined ? {} : { numRuns: runs }),
  ...(seed === undefined ? {} : { seed }),
})

function integer(name: string): number | undefined {
  const text = process.env[name]
  if (text === undefined || text === "") return undefined
  if (!/^-?\d+$/.test(text)) throw new Error(`${name} must be an integer, got ${JSON.stringify(text)}`)
  return Number(text)
}
