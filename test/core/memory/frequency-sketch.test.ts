import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { FrequencySketch } from "../../../src/core/memory/frequency-sketch.js"
import { mix } from "./support/simulation.js"

describe("FrequencySketch", () => {
  it("never answers less than what it was told, also after it has grown, and halves it with age", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer(), fc.integer({ min: 0, max: 15 })), { maxLength: 200 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.integer(),
        (told, entries, later, seed) => {
          const sketch = new FrequencySketch(seed)
          sketch.ensureCapacity(entries)
          for (const [hash, frequency] of told) sketch.raise(hash, frequency)
          for (const [hash, frequency] of told) expect(sketch.frequency(hash)).toBeGreaterThanOrEqual(frequency)
          sketch.ensureCapacity(later)
          for (const [hash, frequency] of told) expect(sketch.frequency(hash)).toBeGreaterThanOrEqual(frequency)
          sketch.age()
          for (const [hash, frequency] of told) expect(sketch.frequency(hash)).toBeGreaterThanOrEqual(frequency >> 1)
        },
      ),
      { seed: 21 },
    )
  })

  it("knows nothing of keys it was not told of, but for a few", () => {
    const sketch = new FrequencySketch(1)
    sketch.ensureCapacity(1000)
    for (let key = 0; key < 1000; key++) sketch.raise(mix(key), 9)
    let wrong = 0
    for (let key = 1000; key < 11_000; key++) if (sketch.frequency(mix(key)) > 0) wrong++
    expect(wrong).toBeLessThan(200)
  })

  it("does not let the same keys collide under another seed", () => {
    const [one, other] = [new FrequencySketch(1), new FrequencySketch(2)]
    for (const sketch of [one, other]) {
      sketch.ensureCapacity(100)
      for (let key = 0; key < 300; key++) sketch.raise(mix(key), 9)
    }
    const colliding = (sketch: FrequencySketch) =>
      Array.from({ length: 20_000 }, (_, key) => 1000 + key).filter((key) => sketch.frequency(mix(key)) > 0)
    const under = new Set(colliding(other))
    const prepared = colliding(one)
    expect(prepared.length).toBeGreaterThan(100)
    expect(prepared.filter((key) => under.has(key)).length).toBeLessThan(prepared.length / 2)
  })

  it("takes the memory that a tier of its largest size needs, and no more once it is there", () => {
    for (const entries of [1, 10, 1000, 10_000, 100_000, 150_001, 1_000_000]) {
      const sketch = new FrequencySketch(1, entries)
      for (let slots = 16; ; slots *= 2) {
        sketch.ensureCapacity(Math.min(slots, entries))
        expect(sketch.bytes).toBeGreaterThanOrEqual(Math.min(slots, entries) * 2.5)
        if (slots >= entries) break
      }
      const needed = Math.max(20, Math.min(8 * entries, 16_384), 2.5 * entries)
      expect(sketch.bytes, `${entries} entries`).toBeLessThanOrEqual(1.05 * needed)
    }
  })

  it("keeps what it knows through any number of doublings", () => {
    const sketch = new FrequencySketch(7, 100_000)
    sketch.ensureCapacity(100)
    for (let key = 0; key < 50; key++) sketch.raise(mix(key), 1 + (key % 15))
    for (const entries of [200, 3000, 40_000, 100_000]) {
      sketch.ensureCapacity(entries)
      for (let key = 0; key < 50; key++) expect(sketch.frequency(mix(key))).toBeGreaterThanOrEqual(1 + (key % 15))
    }
  })

  it("knows nothing before it has room", () => {
    const sketch = new FrequencySketch(1)
    sketch.raise(mix(1), 5)
    expect(sketch.frequency(mix(1))).toBe(0)
    sketch.age()
    expect(sketch.bytes).toBe(0)
  })
})
