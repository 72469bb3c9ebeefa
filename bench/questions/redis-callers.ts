import { setTimeout as after } from "node:timers/promises"
import type { RedisServer } from "../../test/redis/support/server.js"
import { withRunners } from "../harness/alternate.js"
import { show, showSpread, spreadOf } from "../harness/numbers.js"
import type { Contestant, Measured, Question, Runner } from "../harness/question.js"
import { openCache, withRedis } from "../harness/redis.js"
import { nextTurn } from "../harness/timing.js"

const QUESTION = "redis-callers"
const CALLERS = 10_000
/** Over so many turns of the event loop they come, where they do not come at once. */
const TURNS = 50
/** Longer than they take to come. */
const LOAD_MS = 500
/** For so long a process serves what the log does not confirm, where it is not to be `unsure`; and where it is. */
const LONG_BOUND_MS = 600_000
const SHORT_BOUND_MS = 1000
const MOST_LOADS = 3

const situations = {
  gone: "killed just now",
  unsure: "killed, and for longer than `staleness.bound`",
  stopped: "takes connections and says nothing",
} as const
type Situation = keyof typeof situations

const arrivals = {
  once: "in one turn",
  turns: `over ${TURNS} turns, during the load`,
  again: `over ${TURNS} turns, another invalidation half-way`,
} as const
type Arrival = keyof typeof arrivals

const caller: Contestant = async ({ url, keys, boundMs }) => {
  const cache = await openCache(String(url), "callers", { staleness: { bound: Number(boundMs) } })
  let loads = 0
  const read = cache.cacheable(
    async (id: number) => {
      loads += 1
      await after(LOAD_MS)
      return id
    },
    { name: "user", deps: (id) => [`user:${id}`] },
  )
  await Promise.all(Array.from({ length: Number(keys) }, (_, id) => read(id)))
  let key = 0
  return async ({ arrival }) => {
    const id = (key += 1) % Number(keys)
    const invalidate = () => cache.invalidate([`user:${id}`], { wait: false })
    await invalidate()
    loads = 0
    let failed = 0
    const begin = performance.now()
    const waiting: Promise<unknown>[] = []
    const turns = arrival === "once" ? 1 : TURNS
    for (let turn = 0; turn < turns; turn += 1) {
      if (arrival === "again" && turn === TURNS / 2) await invalidate()
      for (let at = 0; at < CALLERS / turns; at += 1) {
        waiting.push(
          read(id).catch(() => {
            failed += 1
          }),
        )
      }
      if (turn + 1 < turns) await nextTurn()
    }
    await Promise.all(waiting)
    const tookMs = performance.now() - begin
    return { loads, failed, tookMs, isPending: Number(cache.status().pending > 0) }
  }
}

export const redisCallers: Question = {
  name: QUESTION,
  title: "What do 10,000 callers cost while Redis is down?",
  method: `An entry is in memory and in Redis; then Redis goes, and the entry's tag is invalidated, which can't be acknowledged: while it is pending, nothing that was loaded before counts as fresh. ${CALLERS.toLocaleString("en-US")} calls of that entry follow, whose load takes ${show(LOAD_MS)} ms; a caller who comes after the second invalidation may not get what began to load before it. The time is from the first call until all have their value.`,
  contestants: { caller },

  ask: (bench) =>
    withRedis(async ({ server, version }) => {
      const rounds = bench.isQuick ? 1 : 5
      const measured: { situation: Situation; arrival: Arrival; each: Measured[] }[] = []
      for (const situation of Object.keys(situations) as Situation[]) {
        const keys = 3 * rounds + 1
        const boundMs = situation === "unsure" ? SHORT_BOUND_MS : LONG_BOUND_MS
        const starting = { caller: bench.start(QUESTION, "caller", { url: server.url, keys, boundMs }) }
        await withRunners(starting, async (runners) => {
          await takeAway(server, situation)
          for (const arrival of Object.keys(arrivals) as Arrival[]) {
            measured.push({ situation, arrival, each: await roundsOf(runners.caller, arrival, rounds) })
          }
        })
        await server.restart()
      }
      const loads = measured.flatMap(({ each }) => each.map((round) => round["loads"] as number))
      const failed = measured.flatMap(({ each }) => each.map((round) => round["failed"] as number))
      const isPending = measured.every(({ each }) => each.every((round) => round["isPending"] === 1))
      const worst = Math.max(...loads)
      return {
        tables: [
          {
            head: ["Redis", "the callers come", "loads", "calls that failed", "until all have it, ms"],
            rows: measured.map(({ situation, arrival, each }) => [
              situations[situation],
              arrivals[arrival],
              show(Math.max(...each.map((round) => round["loads"] as number))),
              show(Math.max(...each.map((round) => round["failed"] as number))),
              showSpread(spreadOf(each.map((round) => round["tookMs"] as number))),
            ]),
          },
        ],
        bars: [
          {
            what: "loads for 10,000 callers while Redis is down and their tag is pending",
            limit: `≤ ${MOST_LOADS}`,
            measured: String(worst),
            isMet: worst <= MOST_LOADS && isPending && failed.every((calls) => calls === 0),
          },
        ],
        notes: [`${version}.`],
      }
    }),
}

async function takeAway(server: RedisServer, situation: Situation): Promise<void> {
  if (situation === "stopped") await server.pause()
  else await server.kill()
  if (situation === "unsure") await after(3 * SHORT_BOUND_MS)
}

async function roundsOf(runner: Runner, arrival: Arrival, rounds: number): Promise<Measured[]> {
  const each: Measured[] = []
  for (let round = 0; round < rounds; round += 1) each.push(await runner.round({ arrival }))
  return each
}
