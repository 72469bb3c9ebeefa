import { expect } from "vitest"
import type { Child } from "./processes.js"

/** One process loads row 1; resolves when another finds it, so that the first has nothing left to write. */
export async function rowThatIsStored(loading: Child, finding: Child): Promise<string> {
  await Promise.all([loading.call("ready"), finding.call("ready")])
  const { id } = await loading.call("row", 1)
  // Before that the other would load for itself, and keep that.
  await expect.poll(() => loading.call("queued")).toBe(0)
  expect((await finding.call("row", 1)).id).toBe(id)
  return id
}
