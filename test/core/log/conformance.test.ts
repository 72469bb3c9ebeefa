import { describe, test } from "vitest"
import { InProcessLog } from "zoocache/backend"
import { FaultyLog, logConformance, ManualClock } from "zoocache/testing"

describe("the log in this process", () => {
  logConformance({
    test,
    make: ({ maxTags = 1000 }) => {
      const log = new InProcessLog({ clock: new ManualClock(), nonce: "n-1_x", maxTags })
      return { log, other: log }
    },
  })
})

describe("the log that fails on demand, without faults", () => {
  logConformance({
    test,
    make: ({ maxTags = 1000 }) => {
      const state = new FaultyLog({ clock: new ManualClock(), maxTags })
      return { log: state.connect("a"), other: state.connect("b"), loseHistory: () => state.beginEpoch() }
    },
  })
})
