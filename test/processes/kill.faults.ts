import { test } from "vitest"
import { crash } from "./support/crashes.js"

// Many more are in kill.stress.ts.
const kills = Number(process.env["ZOOCACHE_KILLS"] ?? 200)

test(
  `${kills} processes are killed at random moments: nothing stale, and nothing that was acknowledged is lost`,
  { timeout: 600_000 + kills * 1000 },
  () => crash(kills, 1),
)

test("the same where each write is flushed to the disk", () => crash(12, 2, true))
