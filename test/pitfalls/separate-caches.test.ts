import { expect, test } from "vitest"
import { createCache } from "zoocache"
import { checkInvariants, ManualClock } from "zoocache/testing"
import { makeCache } from "../support/caches.js"

test("caches do not see each other's entries and invalidations", async () => {
  const clock = new ManualClock()
  const { cache } = makeCache({ clock })
  const other = createCache({ clock })
  await Promise.all([cache.set("key", "here", { deps: ["t"] }), other.set("key", "there", { deps: ["t"] })])
  await cache.invalidate("t")
  expect(await other.get("key")).toBe("there")
  expect(await cache.lookup("key")).toBeUndefined()
  checkInvariants(other)
  await other.close()
})
