import { describe, expect, it } from "vitest"
import { ManualClock } from "zoocache/testing"
import { Sweep } from "../../../src/core/memory/sweep.js"

/** Places by when what is there becomes useless; a sweep empties them. */
class Places {
  readonly clock = new ManualClock()
  readonly ends: (number | undefined)[] = []
  visits = 0
  onVisit: (place: number) => void = () => {}
  readonly sweep = new Sweep({
    clock: this.clock,
    places: () => this.ends.length,
    size: () => this.size,
    visit: (place) => this.#visit(place),
  })

  get size(): number {
    return this.ends.filter((end) => end !== undefined).length
  }

  put(leftMs: number, place = this.ends.length): void {
    this.ends[place] = this.clock.now() + leftMs
    this.sweep.put(leftMs)
  }

  #visit(place: number): number {
    this.visits += 1
    this.onVisit(place)
    const end = this.ends[place]
    if (end === undefined) return Infinity
    if (end > this.clock.now()) return end - this.clock.now()
    this.ends[place] = undefined
    return Infinity
  }
}

describe("by time", () => {
  it("sets no timer for what never ends", () => {
    const places = new Places()
    places.put(Infinity)
    expect(places.clock.timers).toBe(0)
  })

  it("finds what has ended within about a second", () => {
    const places = new Places()
    places.put(5000)
    places.clock.advance(4999)
    expect(places.visits).toBe(0)
    places.clock.advance(1001)
    expect(places.size).toBe(0)
    expect(places.clock.timers).toBe(0)
  })

  it("comes earlier than planned for what ends earlier", () => {
    const places = new Places()
    places.put(3_600_000)
    places.clock.advance(100_000)
    for (let count = 0; count < 20_000; count += 1) places.put(1000)
    expect(places.clock.timers).toBe(1)
    // 41 slices.
    places.clock.advance(1000 + 41 * 50)
    expect(places.size).toBe(1)
    expect(places.clock.timers).toBe(1)
  })

  it("finds what was put behind it while it passes", () => {
    const places = new Places()
    for (let count = 0; count < 5000; count += 1) places.put(3_600_000)
    places.sweep.mayHaveStale()
    places.clock.advance(3 * 50)
    places.put(2000, 0)
    places.clock.advance(4000)
    expect(places.size).toBe(4999)
  })

  it("counts what is left from when it was seen, not from the end of the pass", () => {
    const places = new Places()
    places.put(4000)
    for (let count = 0; count < 20_000; count += 1) places.put(3_600_000)
    // A pass takes two seconds, and sees the first one at its beginning.
    places.sweep.mayHaveStale()
    places.clock.advance(2500)
    places.clock.advance(1600)
    expect(places.size).toBe(20_000)
  })

  it("plans anew a bounded number of times, however many end a little earlier than the one before", () => {
    const places = new Places()
    let plans = 0
    const { setTimer } = places.clock
    places.clock.setTimer = (callback, delayMs, keepAlive) => {
      plans += 1
      expect(keepAlive).toBe(false)
      return setTimer.call(places.clock, callback, delayMs, keepAlive)
    }
    places.put(3_600_000)
    for (let leftMs = 100_000; leftMs > 0; leftMs -= 1) places.put(leftMs)
    expect(plans).toBeLessThanOrEqual(60)
    expect(places.clock.timers).toBe(1)
  })

  it("passes once a minute at least where something will end", () => {
    const places = new Places()
    places.put(3_600_000)
    places.clock.advance(600_000)
    expect(places.visits).toBe(10)
  })
})

describe("after an invalidation", () => {
  it("passes soon, and again where another one came meanwhile", () => {
    const places = new Places()
    for (let count = 0; count < 1000; count += 1) places.ends.push(Infinity)
    places.sweep.mayHaveStale()
    places.sweep.mayHaveStale()
    expect(places.clock.timers).toBe(1)
    places.clock.advance(50)
    expect(places.visits).toBe(500)
    places.sweep.mayHaveStale()
    places.clock.advance(1000)
    expect(places.visits).toBe(2000)
    expect(places.clock.timers).toBe(0)
  })

  it("does not wait for a planned pass, also after an invalidation that found nothing", () => {
    const places = new Places()
    places.sweep.mayHaveStale()
    expect(places.clock.timers).toBe(0)
    places.put(3_600_000)
    places.sweep.mayHaveStale()
    places.clock.advance(50)
    expect(places.visits).toBe(1)
  })
})

describe("a slice", () => {
  it("ends after a few milliseconds where looking takes long", () => {
    const places = new Places()
    for (let count = 0; count < 1000; count += 1) places.ends.push(Infinity)
    places.onVisit = () => places.clock.advanceWithinTurn(0.1)
    places.sweep.mayHaveStale()
    places.clock.advance(50)
    expect(places.visits).toBeGreaterThan(30)
    expect(places.visits).toBeLessThan(70)
    places.clock.advance(5000)
    expect(places.visits).toBe(1000)
  })

  it("leaves one timer whatever is put and invalidated from within it", () => {
    const places = new Places()
    for (let count = 0; count < 600; count += 1) places.put(10)
    places.onVisit = (place) => {
      if (place % 100 !== 0) return
      places.put(5000)
      places.sweep.mayHaveStale()
    }
    places.clock.advance(1000)
    expect(places.clock.timers).toBe(1)
    places.onVisit = () => {}
    places.clock.advance(10_000)
    expect(places.size).toBe(0)
    expect(places.clock.timers).toBe(0)
  })

  it("does not forget what is put behind it from within it", () => {
    const places = new Places()
    for (let count = 0; count < 600; count += 1) places.put(3_600_000)
    places.onVisit = (place) => {
      if (place === 400) places.put(2000, 0)
    }
    places.sweep.mayHaveStale()
    places.clock.advance(50)
    places.onVisit = () => {}
    places.clock.advance(4000)
    expect(places.size).toBe(599)
  })

  it("leaves no timer where it was closed from within, or between", () => {
    const places = new Places()
    for (let count = 0; count < 2000; count += 1) places.put(10)
    places.onVisit = () => places.sweep.close()
    places.clock.advance(1000)
    expect(places.clock.timers).toBe(0)
    places.sweep.mayHaveStale()
    places.put(10)
    expect(places.clock.timers).toBe(0)
  })
})
