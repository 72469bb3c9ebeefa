import { test } from "vitest"
import { crash } from "./support/crashes.js"

// Many more, and with writes that are flushed to the disk, are in kill.faults.ts and kill.stress.ts.
test("processes are killed at random moments: nothing stale, and nothing that was acknowledged is lost", () =>
  crash(5, 1))
