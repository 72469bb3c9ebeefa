import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"

let path
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "zoocache-timers-"))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(path, { recursive: true, force: true })
})

test("two caches on LMDB open, load, invalidate and expire under fake timers", async () => {
  vi.useFakeTimers()
  const open = () => createCache({ backend: lmdb({ path }), ttl: "1m" })
  const [a, b] = [open(), open()]
  await Promise.all([a.ready(), b.ready()])
  let loads = 0
  const options = { name: "user", deps: ["user"] }
  const load = async () => (loads += 1)
  const [ofA, ofB] = [a.cacheable(load, options), b.cacheable(load, options)]
  expect(await ofA()).toBe(1)
  await a.invalidate("user")
  expect(await ofB()).toBe(2)
  vi.advanceTimersByTime(60_000)
  expect(await ofB()).toBe(3)
  await Promise.all([a.close(), b.close()])
})
