import { once } from "node:events"
import { expect } from "vitest"
import { NOWHERE, openBackend, temporaryDirectory } from "./backends.js"
import { forkChild, linesOf } from "./children.js"
import { entriesOf } from "./entries.js"

/** So many processes are killed while they write, one after the other. What they were told to be written is there. */
export async function killWriters(kills: number): Promise<void> {
  const path = temporaryDirectory()
  const own = openBackend(path)
  await own.log.pull(NOWHERE)
  const acknowledged = new Map<string, number>()
  for (let kill = 0; kill < kills; kill += 1) {
    const child = forkChild("append-for-ever", path, String(kill * 1_000_000))
    const closed = once(child, "close")
    const lines = linesOf(child)
    await once(child.stdout as NodeJS.ReadableStream, "data")
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
    child.kill("SIGKILL")
    await closed
    for (const line of lines) {
      const [round, version] = line.split(" ")
      if (version !== undefined) acknowledged.set(`round:${round}`, Number(version))
    }
    const reply = await own.log.append([{ kind: "tag", path: "own" }], NOWHERE, "o")
    expect(reply.version).toBeGreaterThan(Math.max(...acknowledged.values()))
  }
  const pulled = await openBackend(path).log.pull(NOWHERE)
  const versions = new Map(pulled.changes.map((change) => [change.path, change.version]))
  for (const [round, version] of acknowledged) expect(versions.get(round), round).toBe(version)
  expect(acknowledged.size).toBeGreaterThanOrEqual(kills)
  const entries = await entriesOf(own)
  // What the killed ones stored is whole.
  for (let index = 0; index < 50; index += 1) {
    const bytes = own.store.get(`key ${index}`)
    if (bytes !== undefined) expect(own.codec.decodeValue(bytes)).toMatch(/^x*$/)
  }
  expect(await entries.put("key")).toBe(true)
}
