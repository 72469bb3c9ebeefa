import { test } from "vitest"
import { crash } from "./support/crashes.js"

const kills = Number(process.env["ZOOCACHE_KILLS"] ?? 1000)

test.each([1, 2, 3])(`${kills} processes are killed at random moments, seed %i`, { timeout: 1_800_000 }, (seed) =>
  crash(kills, seed),
)
