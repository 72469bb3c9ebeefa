import { test } from "vitest"
import { crash } from "./support/crashes.js"

// Many more are in kill.faults.ts and kill.stress.ts.

test("processes are killed at random moments: nothing stale, and nothing that was acknowledged is lost", () =>
  crash(15, 1))

test("the same where each write is flushed to the disk", () => crash(3, 2, true))
