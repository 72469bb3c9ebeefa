import { alternate, column, withRunners } from "../harness/alternate.js"
import { countingLoader, hits, warm } from "../harness/hits.js"
import { ratiosOf, showSpread, spreadOf } from "../harness/numbers.js"
import { subjects } from "../harness/peers.js"
import type { Question } from "../harness/question.js"
import { calibrate, timeMs } from "../harness/timing.js"

const KEYS = 1000
const MANY = 1000

export const dependencies: Question = {
  name: "dependencies",
  title: "Does a hit get slower with the number of dependencies?",
  method: `Awaited hits of ${KEYS.toLocaleString("en-US")} warm keys whose entries have 1 dependency, or ${MANY.toLocaleString("en-US")}.`,
  contestants: {
    zoocache: async ({ tags, roundMs }) => {
      const { load, loads } = countingLoader()
      const shared = Array.from({ length: Number(tags) - 1 }, (_, tag) => `row:${tag}`)
      const subject = await subjects.zoocache({
        load,
        capacity: 10 * KEYS,
        tagsOf: (key) => [`user:${key}`, ...shared],
      })
      await warm(subject, KEYS, loads)
      const work = hits(subject, KEYS)
      const count = await calibrate(work, Number(roundMs), 50 * Number(roundMs))
      return async () => ({ nanoseconds: ((await timeMs(work, count)) * 1e6) / count })
    },
  },

  async ask(bench) {
    const start = (tags: number) => bench.start("dependencies", "zoocache", { tags, roundMs: bench.roundMs })
    const measured = await withRunners({ one: start(1), many: start(MANY) }, (runners) => alternate(bench, runners))
    const one = column(measured.one, "nanoseconds")
    const many = column(measured.many, "nanoseconds")
    const ratio = ratiosOf(one, many)
    return {
      tables: [
        {
          head: ["dependencies", "ns per hit"],
          rows: [
            ["1", showSpread(spreadOf(one))],
            [String(MANY), showSpread(spreadOf(many))],
          ],
        },
      ],
      bars: [
        {
          what: "hit with 1,000 dependencies against 1",
          limit: "≥ 0.9×",
          measured: `${showSpread(ratio)}×`,
          isMet: ratio.median >= 0.9,
        },
      ],
      notes: [],
    }
  },
}
