import { ManualClock } from "zoocache/testing"
import { describe, expect, it } from "vitest"
import { SaidRarely } from "../../../src/core/base/said-rarely.js"

describe("a fault that goes on", () => {
  it("is said once in a while", () => {
    const clock = new ManualClock()
    const rarely = new SaidRarely(clock, 1000)
    expect([rarely.isDue("a"), rarely.isDue("a")]).toEqual([true, false])
    clock.advance(999)
    expect(rarely.isDue("a")).toBe(false)
    clock.advance(1)
    expect([rarely.isDue("a"), rarely.isDue("a")]).toEqual([true, false])
  })

  it("keeps no other from being said, and is not said again because of it", () => {
    const rarely = new SaidRarely(new ManualClock(), 1000)
    expect(["a", "b", "a", "b"].map((what) => rarely.isDue(what))).toEqual([true, true, false, false])
  })

  it("is remembered among a bounded number", () => {
    const rarely = new SaidRarely(new ManualClock(), 1000)
    for (let count = 0; count < 1000; count += 1) rarely.isDue(`fault ${count}`)
    expect([rarely.isDue("fault 999"), rarely.isDue("fault 0")]).toEqual([false, true])
  })
})
