import { describe, expect, test } from "vitest"
import { type Child, expectNothingStale, Processes } from "./support/processes.js"

/** A load in one process that a change in another overlapped: it has read the row before the change, and ends after. */
async function overlappedLoad(processes: Processes): Promise<{ loading: Child; changing: Child; stale: string }> {
  const [loading, changing] = [0, 1].map((column) => processes.start({ column })) as [Child, Child]
  await loading.call("change", 1)
  await loading.call("begin", 1)
  await changing.call("change", 1)
  const { id } = await loading.call("finish", 1)
  return { loading, changing, stale: id }
}

describe("a load that another process' change overlapped", () => {
  test("is not served by the process that loaded it", async () => {
    await using processes = new Processes()
    const { loading, stale } = await overlappedLoad(processes)
    expect((await loading.call("row", 1)).id).not.toBe(stale)
    expectNothingStale(processes.history())
  })

  test("is not served by a third process, nor by the one that made the change", async () => {
    await using processes = new Processes()
    const { changing, stale } = await overlappedLoad(processes)
    expect((await processes.start({ column: 2 }).call("row", 1)).id).not.toBe(stale)
    expect((await changing.call("row", 1)).id).not.toBe(stale)
    expectNothingStale(processes.history())
  })

  test.each([
    ["ended", (child: Child) => child.call("close").then(() => child.end())],
    ["been killed", (child: Child) => child.kill()],
  ])("is not served after all processes have %s", async (_how, end) => {
    await using processes = new Processes()
    const { loading, changing, stale } = await overlappedLoad(processes)
    await Promise.all([end(loading), end(changing)])
    expect((await processes.start({ column: 2 }).call("row", 1)).id).not.toBe(stale)
    expectNothingStale(processes.history())
  })

  test("a load that began after the change replaces it, and is served to everyone", async () => {
    await using processes = new Processes()
    const { loading, changing } = await overlappedLoad(processes)
    const { id } = await changing.call("row", 1)
    await expect.poll(() => changing.call("queued")).toBe(0)
    expect((await loading.call("row", 1)).id).toBe(id)
    expectNothingStale(processes.history())
  })
})
