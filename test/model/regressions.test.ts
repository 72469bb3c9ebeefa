import { describe, test } from "vitest"
import type { Command, Setup } from "./support/commands.js"
import { World } from "./support/world.js"

/** Counterexamples that promise.test.ts has found, and what they were about. */
describe("found once", () => {
  const calm: Setup = {
    log: "own",
    seed: 0,
    maxEntries: 1000,
    maxLoads: Number.POSITIVE_INFINITY,
    gates: 0.2,
    faults: 0,
    maxTags: 1000,
    losesPulls: false,
    hasStore: false,
    hasLeases: false,
    losesHistory: true,
  }
  const found: Record<string, [Partial<Setup>, Command[]]> = {
    "a queued load began in the async context of whoever freed its slot, and saw uncommitted rows": [
      { maxLoads: 1 },
      [
        {
          do: "transaction",
          cache: 0,
          steps: [{ do: "read", name: "row", id: 0 }],
          commits: false,
          after: "nothing",
        },
        { do: "read", cache: 0, name: "row", id: 0, how: "peek", after: "settle" },
        { do: "read", cache: 0, name: "row", id: 0, how: "plain", after: "nothing" },
        { do: "release", which: 0, after: "nothing" },
      ],
    ],
    "inside a transaction, a cleared function was still served through what had used it": [
      { seed: 3, gates: 0 },
      [
        { do: "read", cache: 0, name: "home", id: 0, how: "plain", after: "settle" },
        {
          do: "transaction",
          cache: 0,
          steps: [
            { do: "clearFunction", name: "row" },
            { do: "read", name: "home", id: 0 },
          ],
          commits: true,
          after: "settle",
        },
      ],
    ],
    "a later word of another process, heard before the own acknowledgement, did not outrank a set": [
      { log: "faulty" },
      [
        { do: "releaseAll", after: "settle" },
        { do: "set", cache: 0, id: 3, positioned: false, after: "nothing" },
        { do: "set", cache: 1, id: 3, positioned: false, after: "settle" },
      ],
    ],
    "an error whose load overlapped an expiry was kept as if it had not": [
      {},
      [
        { do: "read", cache: 0, name: "flaky", id: 1, how: "plain", after: "nothing" },
        { do: "write", cache: 0, rows: [1], through: "row", soft: true, wait: true, after: "nothing" },
        { do: "read", cache: 0, name: "row", id: 0, how: "plain", after: "micro" },
      ],
    ],
    "an append that failed after its repetition had been acknowledged was pending for ever": [
      { log: "faulty", seed: 1894642214, faults: 0.3 },
      [
        { do: "read", cache: 0, name: "row", id: 0, how: "plain", after: "nothing" },
        { do: "write", cache: 0, rows: [0], through: "row", soft: false, wait: true, after: "nothing" },
        { do: "advance", ms: 2100, after: "nothing" },
        { do: "log", fault: "reject", which: 0, after: "nothing" },
        { do: "read", cache: 0, name: "row", id: 0, how: "plain", after: "nothing" },
      ],
    ],
    "what was made of a result that a newer load had outdone had no end": [
      {
        log: "faulty",
        losesHistory: true,
        seed: 2096692399,
        maxEntries: 1000,
        maxLoads: Number.POSITIVE_INFINITY,
        gates: 0.2,
        faults: 0.3,
        maxTags: 1000,
        losesPulls: false,
        hasStore: false,
        hasLeases: false,
      },
      [
        { do: "read", cache: 0, name: "page", id: 0, how: "plain", after: "nothing" },
        { do: "read", cache: 0, name: "row", id: 0, how: "plain", after: "nothing" },
        { do: "write", cache: 0, rows: [0], through: "row", soft: false, wait: true, after: "micro" },
        { do: "set", cache: 0, id: 0, positioned: false, after: "nothing" },
        { do: "read", cache: 1, name: "mixed", id: 2, how: "plain", after: "nothing" },
        { do: "log", fault: "answer", which: 0, after: "settle" },
        { do: "read", cache: 1, name: "timed", id: 2, how: "fresh", after: "nothing" },
        {
          do: "transaction",
          cache: 0,
          steps: [
            { do: "clearFunction", name: "row" },
            { do: "read", name: "row", id: 0 },
          ],
          commits: false,
          after: "settle",
        },
        { do: "release", which: 0, after: "settle" },
        { do: "write", cache: 0, rows: [0], through: "row", soft: false, wait: true, after: "nothing" },
        { do: "read", cache: 0, name: "row", id: 0, how: "plain", after: "nothing" },
      ],
    ],
  }

  for (const [name, [setup, commands]] of Object.entries(found)) {
    test(name, () => new World({ ...calm, ...setup }).run(commands))
  }
})
