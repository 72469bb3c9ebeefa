/**
 * Run in a process of its own, with --expose-gc: `leak.ts <scenario> <count>`. Prints one line of JSON.
 * - `churn`: distinct keys, each with a tag of its own, through a small cache; each tag is invalidated later on.
 * - `hang`: distinct tags are invalidated while a load that never settles runs, with a timeout of Infinity.
 * - `outage`: distinct tags are invalidated while a shared log is down.
 */
import { createCache } from "../../src/index.js"
import { FaultyLog } from "../../src/testing/faulty-log.js"
import { checkInvariants } from "../../src/testing/invariants.js"
import { ManualClock, settled } from "../../src/testing/manual-clock.js"

const [scenario = "churn", countText = "100000"] = process.argv.slice(2)
const count = Number(countText)
const samples: number[] = []

async function sample(): Promise<void> {
  await settled()
  for (let round = 0; round < 3; round += 1) globalThis.gc?.()
  samples.push(process.memoryUsage().heapUsed)
}

async function churn() {
  const cache = createCache({ memory: { maxEntries: 10_000 } })
  const row = cache.cacheable(async (id: number) => ({ id }), {
    name: "row",
    deps: (id) => [`table:${id % 7}:row:${id}`],
  })
  const page = cache.cacheable(async (id: number) => [await row(id)], { name: "page" })
  for (let index = 0; index < count; index += 1) {
    const waiting = index % 10 === 0 ? page(index) : row(index)
    if (index % 4 === 0) void cache.invalidate(`table:${(index - 50) % 7 < 0 ? 0 : (index - 50) % 7}:row:${index - 50}`)
    if (index % 16 === 0) void cache.set(`key:${index}`, index, { deps: [`set:${index}`] })
    if (index % 32 === 0) void cache.delete(`key:${index - 320}`)
    await waiting
    if (index % 1000 === 0) await settled()
    if (index % Math.ceil(count / 12) === 0) await sample()
  }
  await sample()
  checkInvariants(cache)
  const { tags, entries } = cache.stats()
  await cache.close()
  return { tags, entries }
}

async function hang() {
  const cache = createCache({ memory: { maxEntries: 1000 }, timeout: Number.POSITIVE_INFINITY })
  const never = cache.cacheable((_id: number) => new Promise<number>(() => {}), { name: "never", deps: ["never"] })
  const row = cache.cacheable(async (id: number) => id, { name: "row", deps: (id) => [`row:${id}`] })
  void never(1)
  const controller = new AbortController()
  never
    .with({ signal: controller.signal })(2)
    .catch(() => {})
  for (let index = 0; index < count; index += 1) {
    void cache.invalidate(`tag:${index}`)
    if (index % 8 === 0) await row(index)
    if (index % 1000 === 0) await settled()
    if (index % Math.ceil(count / 12) === 0) await sample()
  }
  await sample()
  checkInvariants(cache, { idle: false })
  const { tags, entries } = cache.stats()
  return { tags, entries }
}

async function outage() {
  const clock = new ManualClock()
  const log = new FaultyLog({ clock, maxTags: 1000 })
  const cache = createCache({ clock, log: log.connect("a"), memory: { maxEntries: 1000 }, ackTimeout: 100 })
  await cache.ready()
  log.decide = ({ kind }) => (kind === "append" ? "fail" : "pass")
  for (let index = 0; index < count; index += 1) {
    cache.invalidate(`org:${index % 100}:tag:${index}`).catch(() => {})
    if (index % 100 === 0) {
      await settled()
      clock.advance(10)
    }
    if (index % Math.ceil(count / 12) === 0) await sample()
  }
  await sample()
  const { tags, entries } = cache.stats()
  await cache.close()
  return { tags, entries }
}

const scenarios = { churn, hang, outage }
const end = await scenarios[scenario as keyof typeof scenarios]()
console.log(JSON.stringify({ samples, ...end }))
