import { alternate, column, withRunners } from "../harness/alternate.js"
import { show, showSpread, spreadOf } from "../harness/numbers.js"
import { type Job, type Subject, subjects, type User } from "../harness/peers.js"
import type { Contestant, Question, Runner } from "../harness/question.js"
import { nextTurn, timeMs } from "../harness/timing.js"

const CALLERS = 10_000

const names = [
  "Map of promises",
  "zoocache",
  "lru-cache",
  "layered-loader",
  "p-memoize",
  "async-cache-dedupe",
  "cacheable",
  "bentocache, serialize: false",
] as const

const contestant =
  (setUp: (job: Job) => Promise<Subject>): Contestant =>
  async () => {
    let loads = 0
    let release = () => {}
    let gate = Promise.resolve()
    const load = async (): Promise<User> => {
      loads += 1
      await gate
      return { id: 1, name: "user 1" }
    }
    const { read, keyOf } = await setUp({ load, capacity: 1000 })
    let key = 0
    const stampede = async () => {
      loads = 0
      gate = new Promise((resolve) => {
        release = resolve
      })
      const missing = keyOf(key)
      key += 1
      const tookMs = await timeMs((callers) => {
        const waiting = Array.from({ length: callers }, () => read(missing))
        release()
        return Promise.all(waiting)
      }, CALLERS)
      await nextTurn()
      return { loads, followerUs: (tookMs * 1000) / (CALLERS - 1) }
    }
    for (let round = 0; round < 5; round += 1) await stampede()
    return stampede
  }

export const callers: Question = {
  name: "callers",
  title: "What do 10,000 concurrent callers of one missing key cost?",
  method: `${CALLERS.toLocaleString("en-US")} calls in one turn, before the load ends; the time until all of them have their value, \`Promise.all\` included, for each follower.`,
  contestants: Object.fromEntries(names.map((name) => [name, contestant(subjects[name])])),

  async ask(bench) {
    const starting = Object.fromEntries(names.map((name) => [name, bench.start("callers", name)])) as Record<
      (typeof names)[number],
      Promise<Runner>
    >
    const measured = await withRunners(starting, (runners) =>
      alternate(bench, runners, {}, Math.ceil(bench.rounds / 2)),
    )
    const own = spreadOf(column(measured.zoocache, "followerUs"))
    const ownLoads = Math.max(...column(measured.zoocache, "loads"))
    return {
      tables: [
        {
          head: ["", "loads", "µs per follower"],
          rows: names.map((name) => [
            name,
            show(Math.max(...column(measured[name], "loads"))),
            showSpread(spreadOf(column(measured[name], "followerUs"))),
          ]),
        },
      ],
      bars: [
        { what: "loads for 10,000 callers", limit: "1", measured: String(ownLoads), isMet: ownLoads === 1 },
        { what: "per follower", limit: "≤ 2 µs", measured: `${showSpread(own)} µs`, isMet: own.median <= 2 },
      ],
      notes: [],
    }
  },
}
