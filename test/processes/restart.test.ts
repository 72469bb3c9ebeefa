import { expect, test } from "vitest"
import { type Child, expectNothingStale, Processes } from "./support/processes.js"

test.each([{ durable: false }, { durable: true }])(
  "entries and invalidations outlive all processes together (durable: $durable)",
  async ({ durable }) => {
    await using processes = new Processes()
    const first = processes.start({ durable })
    await first.call("ready")
    const kept = await first.call("row", 1)
    const dropped = await first.call("row", 2)
    const made = await first.call("pair", 3, 4)
    await first.call("change", 2)
    await first.call("delete", 4)
    await first.call("close")
    await first.end()

    const second = processes.start({ durable })
    await second.call("ready")
    expect(await second.call("row", 1)).toEqual(kept)
    expect(await second.call("loads")).toBe(0)
    expect((await second.call("row", 2)).id).not.toBe(dropped.id)
    expect((await second.call("pair", 3, 4)).id).not.toBe(made.id)
    expectNothingStale(processes.history())
  },
)

test("a process that is there later finds what others loaded and what they invalidated", async () => {
  await using processes = new Processes()
  const [first, second] = [processes.start(), processes.start({ column: 1 })]
  await first.call("ready")
  const loaded = await first.call("row", 1)
  await second.call("ready")
  await expect.poll(() => first.call("queued")).toBe(0)
  expect((await second.call("row", 1)).id).toBe(loaded.id)
  await second.call("change", 1)
  expect((await first.call("row", 1)).id).not.toBe(loaded.id)
  expectNothingStale(processes.history())
})

test("prefixes of one environment share nothing", async () => {
  await using processes = new Processes()
  const [one, other] = ["one", "other"].map((prefix) => processes.start({ cache: { prefix } })) as [Child, Child]
  await Promise.all([one.call("ready"), other.call("ready")])
  const mine = await one.call("row", 1)
  const theirs = await other.call("row", 1)
  expect(theirs.id).not.toBe(mine.id)
  await one.call("change", 1)
  expect((await other.call("row", 1)).id).toBe(theirs.id)
  expect((await one.call("row", 1)).id).not.toBe(mine.id)
})
