/** Of several marks, `explain` names the one that decides, with its own time and origin. */
import { describe, expect, test } from "vitest"
import type { Cache, Cause } from "zoocache"
import { FaultyLog, ManualClock, settled } from "zoocache/testing"
import { makeCache } from "../support/caches.js"

const FAR = { deps: ["org:1:user:42", "role:7"], grace: "1h" } as const

interface World {
  readonly clock: ManualClock
  readonly log: FaultyLog
  readonly here: Cache
  readonly there: Cache
}

async function setUp(): Promise<World> {
  const clock = new ManualClock()
  const log = new FaultyLog({ clock })
  const join = (name: string, random: () => number) => makeCache({ clock, log: log.connect(name), random }).cache
  const [here, there] = [join("here", randomOf(1)), join("there", randomOf(2))]
  await Promise.all([here.ready(), there.ready()])
  await here.getOrLoad("k", () => "value", FAR)
  await clock.advanceAsync(1000, 100)
  return { clock, log, here, there }
}

/** Chance that is the same in each run, and another for each process, which is named by it. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 16_807) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** Something is told to the log `afterMs` after the one before, and heard by all. */
async function tell(world: World, afterMs: number, change: () => Promise<unknown>): Promise<number> {
  await world.clock.advanceAsync(afterMs, 100)
  const atMs = world.clock.wall()
  await change()
  await settled()
  return atMs
}

const causeIn = (cache: Cache): Cause | undefined => cache.explain("k").cause

describe("of a hard and a soft mark", () => {
  const SAME = "org:1"
  test.each([
    ["on one tag", SAME, SAME],
    ["on two tags of one path", SAME, "org:1:user"],
    ["on two tags of one path, the other way round", "org:1:user", SAME],
    ["on two dependencies", SAME, "role:7"],
  ])("the hard one is named with its own time and origin: %s", async (_name, hard, soft) => {
    for (const order of ["hard first", "soft first"]) {
      const world = await setUp()
      const { here, there } = world
      let hardAtMs = 0
      const invalidate = async () => {
        hardAtMs = await tell(world, 200, () => there.invalidate(hard))
      }
      if (order === "hard first") await invalidate()
      await tell(world, 300, () => here.expire(soft))
      if (order === "soft first") await invalidate()
      expect(causeIn(here), order).toMatchObject({ kind: "invalidated", through: hard, at: hardAtMs })
      expect(causeIn(here)?.by).not.toBe("this process")
    }
  })

  test("what is stored after the hard one is told of the soft one alone", async () => {
    const world = await setUp()
    const { here, there } = world
    const softAtMs = await tell(world, 100, () => here.expire(SAME))
    expect(causeIn(here)).toMatchObject({ kind: "expired", at: softAtMs, by: "this process" })
    await tell(world, 100, () => there.invalidate(SAME))
    await here.getOrLoad("k", () => "value", FAR)
    expect(here.explain("k").state).toBe("fresh")
    const secondAtMs = await tell(world, 100, () => here.expire(SAME))
    expect(causeIn(here)).toMatchObject({ kind: "expired", at: secondAtMs, by: "this process", through: SAME })
  })
})

describe("while the log has not acknowledged it", () => {
  test.each([
    ["invalidate", "invalidated"],
    ["expire", "expired"],
  ] as const)("%s is named by the time at which it was called here", async (call, kind) => {
    const world = await setUp()
    const { here, there, log, clock } = world
    await tell(world, 100, () => there[call]("org:1"))
    log.decide = ({ kind: operation, connection }) =>
      operation === "append" && connection === "here" ? "hold" : "pass"
    const atMs = await tell(world, 200, async () => void here[call]("org:1").catch(() => {}))
    await tell(world, 300, () => there[call]("org:1"))
    expect(causeIn(here)).toMatchObject({ kind, version: 0, at: atMs, by: "this process" })
    await tell(world, 400, () => there[call === "expire" ? "invalidate" : "expire"]("org:1"))
    const hard = causeIn(here)
    if (call === "invalidate") expect(hard).toMatchObject({ version: 0, at: atMs, by: "this process" })
    else expect(hard).toMatchObject({ kind: "invalidated", at: clock.wall() })
    log.decide = () => "pass"
    for (const held of log.held) held.answer()
    await settled()
    expect(causeIn(here)).toMatchObject({ kind: "invalidated" })
    expect(causeIn(here)?.version).toBeGreaterThan(0)
  })

  test("a hard one that waits goes before a soft one that waits", async () => {
    const world = await setUp()
    const { here, log } = world
    log.decide = ({ kind }) => (kind === "append" ? "hold" : "pass")
    const hardAtMs = await tell(world, 100, async () => void here.invalidate("org:1").catch(() => {}))
    await tell(world, 100, async () => void here.expire("org:1").catch(() => {}))
    expect(causeIn(here)).toMatchObject({ kind: "invalidated", version: 0, at: hardAtMs })
    log.decide = () => "pass"
    for (const held of log.held) held.answer()
    await settled()
  })
})

test("a hard mark does not move the time from which grace counts", async () => {
  const { cache, clock } = makeCache()
  const load = () => cache.getOrLoad("k", () => "new", { ...FAR, grace: "10s" })
  await cache.set("k", "old", { deps: ["org:1"] })
  await cache.getOrLoad("other", () => 1, { deps: ["org:1"], grace: "10s" })
  await cache.expire("org:1")
  clock.advance(1000)
  expect(cache.explain("other").cause).toMatchObject({ kind: "expired", agoMs: 1000 })
  await cache.invalidate("org:1")
  clock.advance(1000)
  expect(cache.explain("other").cause).toMatchObject({ kind: "invalidated", agoMs: 1000 })
  expect(await load()).toBe("new")
})
