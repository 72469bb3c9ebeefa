import { column, withRunners } from "../harness/alternate.js"
import { show } from "../harness/numbers.js"
import { idOf, type Job, type Key, type Subject, subjects, type User } from "../harness/peers.js"
import type { Contestant, Measured, Question } from "../harness/question.js"
import { nextTurn } from "../harness/timing.js"

const names = ["Map", "zoocache", "lru-cache", "bentocache, serialize: false", "async-cache-dedupe"] as const

const contestant =
  (setUp: (job: Job) => Promise<Subject>): Contestant =>
  async ({ entries }) => {
    const size = Number(entries)
    let users: User[] = []
    const load = async (key: Key): Promise<User> => {
      return Promise.resolve(users[idOf(key)] as User)
    }
    const readAll = async ({ read }: Subject, keys: readonly Key[]) => {
      for (const key of keys) await read(key)
    }
    const makeUsers = (count: number) => Array.from({ length: count }, (_, id) => ({ id, name: `user ${id}` }))
    const makeKeys = ({ keyOf }: Subject, count: number) => Array.from({ length: count }, (_, id) => keyOf(id))

    // Code that is compiled while the entries are loaded would count as theirs.
    const trial = await setUp({ load, capacity: 5000 })
    users = makeUsers(5000)
    for (let round = 0; round < 3; round += 1) await readAll(trial, makeKeys(trial, 5000))

    // Held here until the process ends.
    const held: unknown[] = []
    return async () => {
      users = makeUsers(size)
      const keys = makeKeys(trial, size)
      held.push(users, keys, trial)
      const before = await heapBytes()
      // What a cache reserves for its budget belongs to its entries.
      const subject = await setUp({ load, capacity: size })
      held.push(subject)
      await readAll(subject, keys)
      const loaded = await heapBytes()
      await readAll(subject, keys)
      const hit = await heapBytes()
      return { loadedBytes: (loaded - before) / size, hitBytes: (hit - before) / size }
    }
  }

export const memory: Question = {
  name: "memory",
  title: "How much memory does an entry take?",
  method:
    "Bytes of the heap, buffers included, beyond keys and values, which exist before; with one tag of its own and a TTL where there are such. As loaded, and after each was hit once, since zoocache then keeps the promise that it hands out. Two sizes, because tables grow by doubling.",
  contestants: Object.fromEntries(names.map((name) => [name, contestant(subjects[name])])),

  async ask(bench) {
    const sizes = bench.isQuick ? [10_000] : [100_000, 150_000]
    const measured = new Map<string, Measured[]>()
    for (const name of names) {
      const rounds: Measured[] = []
      for (const entries of sizes) {
        const starting = { runner: bench.start("memory", name, { entries }, ["--expose-gc"]) }
        rounds.push(await withRunners(starting, ({ runner }) => runner.round()))
      }
      measured.set(name, rounds)
    }
    const own = measured.get("zoocache") ?? []
    return {
      tables: [
        {
          head: ["", ...sizes.flatMap((entries) => [`${show(entries)} entries, loaded`, "hit once"])],
          rows: names.map((name) => [
            name,
            ...(measured.get(name) ?? []).flatMap((round) => [
              show(round["loadedBytes"] ?? 0),
              show(round["hitBytes"] ?? 0),
            ]),
          ]),
        },
      ],
      bars: (["loadedBytes", "hitBytes"] as const).map((state) => {
        const worst = Math.max(...column(own, state))
        return {
          what: `bytes per entry, ${state === "hitBytes" ? "after a hit" : "as loaded"}`,
          limit: "≤ 300",
          measured: sizes.map((size, index) => `${show(column(own, state)[index] ?? 0)} at ${show(size)}`).join(", "),
          isMet: worst <= 300,
        }
      }),
      notes: [],
    }
  },
}

async function heapBytes(): Promise<number> {
  for (let round = 0; round < 4; round += 1) {
    await nextTurn()
    globalThis.gc?.()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
