import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { warn, Warnings } from "../../../src/core/base/warn-once.js"

const emit = vi.fn<(text: string, options: NodeJS.EmitWarningOptions) => void>()

beforeEach(() => {
  emit.mockReset()
  vi.spyOn(process, "emitWarning").mockImplementation(emit as unknown as typeof process.emitWarning)
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

test("says each subject once, of each kind", () => {
  const warnings = new Warnings()
  for (let round = 0; round < 2; round += 1) {
    warnings.once("ZOOCACHE_A", "x", "of x")
    warnings.once("ZOOCACHE_B", "x", "of x")
    warnings.once("ZOOCACHE_A", "y", "of y")
  }
  expect(emit.mock.calls).toEqual([
    ["of x", { type: "ZooCacheWarning", code: "ZOOCACHE_A" }],
    ["of x", { type: "ZooCacheWarning", code: "ZOOCACHE_B" }],
    ["of y", { type: "ZooCacheWarning", code: "ZOOCACHE_A" }],
  ])
  new Warnings().once("ZOOCACHE_A", "x", "of x")
  expect(emit).toHaveBeenCalledTimes(4)
})

test("falls silent where there is no end of subjects", () => {
  const warnings = new Warnings()
  for (let subject = 0; subject < 5000; subject += 1) warnings.once("ZOOCACHE_A", String(subject), "text")
  expect(emit).toHaveBeenCalledTimes(1000)
})

test("does nothing without a process, and never throws", () => {
  emit.mockImplementation(() => {
    throw new Error("no")
  })
  expect(() => warn("ZOOCACHE_A", "text")).not.toThrow()
  for (const none of [undefined, {}]) {
    vi.stubGlobal("process", none)
    expect(() => warn("ZOOCACHE_A", "text")).not.toThrow()
  }
})
