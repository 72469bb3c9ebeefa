import { expect, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { RedisServer } from "../support/server.js"
import { BOUND_MS, Fleet, PREFIX } from "./support/fleet.js"

const { state } = logKeys(PREFIX)
const STEP_MS = 600_000

// The machine's clock can't be set, and libfaketime deadlocks with the server's allocator (jemalloc). What a clock that was
// stepped ahead and back leaves behind is a head that is minutes ahead of it; a step ahead alone is a pause.
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
}, 60_000)
