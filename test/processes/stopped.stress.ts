import { setTimeout } from "node:timers/promises"
import { expect, test } from "vitest"
import { type Child, expectNothingStale, Processes, readsIn } from "./support/processes.js"
import { seededRandom } from "./support/random.js"

const ROUNDS = Number(process.env["ZOOCACHE_STOPS"] ?? 200)

/** Each process changes rows while the other stands still, wherever the signal has met it. */
test(`two processes that are stopped ${ROUNDS} times in turn serve nothing stale`, { timeout: 600_000 }, async () => {
  const random = seededRandom(7)
  await using processes = new Processes()
  const children = [0, 1].map((column) => {
    const child = processes.start({ column, cache: { ackTimeout: 50 } })
    child.call("storm", { visitors: 6, mayWaitInVain: true }).catch(() => {})
    return child
  }) as [Child, Child]
  await Promise.all(children.map((child) => child.call("ready")))
  for (let round = 0; round < ROUNDS; round += 1) {
    const stopped = children[round % 2] as Child
    const other = children[(round + 1) % 2] as Child
    await setTimeout(random() * 30)
    await stopped.pause()
    const changes = Array.from({ length: 16 }, (_, row) => other.call("change", row).catch(() => {}))
    await Promise.all([setTimeout(20 + random() * 60), ...changes])
    stopped.resume()
  }
  for (const child of children) await child.kill()
  const history = processes.history()
  expect(readsIn(history).length).toBeGreaterThan(ROUNDS * 10)
  expectNothingStale(history)
})
