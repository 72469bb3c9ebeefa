/** Appends and puts without end, and says what was acknowledged. */
import { writeSync } from "node:fs"
import { openBackend } from "./backends.js"

const [path = "", from = "0"] = process.argv.slice(2)
const { log, store, codec } = openBackend(path)
const nowhere = { epoch: undefined, cursor: 0 }
for (let round = Number(from); ; round += 1) {
  const { epoch, version } = await log.append([{ kind: "tag", path: `round:${round}` }], nowhere, "child")
  say(`${round} ${version}\n`)
  const times = { storedAtMs: 0, expiresAtMs: Infinity, graceMs: 0, idleTtlMs: Infinity, idleUntilMs: Infinity }
  const rank = { epoch, asOf: version, keyVersion: version }
  const key = `key ${round % 50}`
  void store.put(key, codec.encode({ key, ...rank, ...times, tags: [], keys: [] }, "x".repeat(round % 9000)))
}

/** At once: what a stream keeps for later is lost with a process that is killed. A pipe that nobody empties is waited for. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, line)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
    }
  }
}
