import { expect, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { RedisServer } from "../support/server.js"
import { SteppedClock } from "../support/stepped-clock.js"
import { BOUND_MS, Fleet, PREFIX } from "./support/fleet.js"

const { state } = logKeys(PREFIX)
const STEP_MS = 600_000

/** The server's time in milliseconds. */
async function timeOf(server: RedisServer): Promise<number> {
  const [seconds, micros] = (await server.command("TIME")) as readonly string[]
  return Number(seconds) * 1000 + Number(micros) / 1000
}

const clock = SteppedClock.make()

test(
  clock === undefined
    ? "the server's clock is not stepped, since there is no C compiler; see the next test"
    : "a fleet under load reads nothing stale and loses nothing when the server's clock is stepped back and forth by minutes",
  async () => {
    if (clock === undefined) return
    await using server = await RedisServer.start({ clock })
    await using fleet = await Fleet.start(server)
    const read = async (field: string) => String(await server.command("HGET", state, field))
    const epoch = await read("epoch")
    for (const offsetMs of [STEP_MS, -STEP_MS, 0, -STEP_MS / 2, STEP_MS]) {
      clock.step(offsetMs)
      expect(Math.abs((await timeOf(server)) - Date.now() - offsetMs)).toBeLessThan(STEP_MS / 10)
      const head = BigInt(await read("head"))
      await fleet.untilDelivered()
      await fleet.goOn(400)
      // It goes on from where it was, however far the clock is behind.
      expect(BigInt(await read("head"))).toBeGreaterThan(head)
    }
    await fleet.finish()
    expect(await read("epoch")).toBe(epoch)
  },
)

// What a clock that was stepped ahead and back leaves behind is a head that is minutes ahead of it. This needs no compiler.
test("a fleet under load reads nothing stale when the server's clock is minutes behind the log", async () => {
  await using server = await RedisServer.start()
  await using fleet = await Fleet.start(server)
  const read = async (field: string) => String(await server.command("HGET", state, field))
  const epoch = await read("epoch")
  for (let step = 0; step < 2; step += 1) {
    const head = BigInt(await read("head")) + BigInt(STEP_MS) * 1024n
    await server.command("HSET", state, "head", String(head))
    await fleet.untilDelivered()
    await fleet.goOn(500)
    expect(BigInt(await read("head"))).toBeGreaterThan(head)
  }
  await fleet.goOn(BOUND_MS + 200)
  await fleet.finish()
  expect(await read("epoch")).toBe(epoch)
})
