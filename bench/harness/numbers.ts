/** A middle with what lies around it. */
export interface Spread {
  readonly median: number
  /** A tenth of the rounds lie below. */
  readonly low: number
  /** A tenth of the rounds lie above. */
  readonly high: number
}

export function spreadOf(samples: readonly number[]): Spread {
  return { median: quantile(samples, 0.5), low: quantile(samples, 0.1), high: quantile(samples, 0.9) }
}

/** Round by round, since the machine is faster in some rounds than in others. */
export function ratiosOf(numerators: readonly number[], denominators: readonly number[]): Spread {
  return spreadOf(numerators.map((numerator, index) => numerator / (denominators[index] as number)))
}

export function quantile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const place = (sorted.length - 1) * part
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export function mean(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
}

/** Three digits that mean something. */
export function show(value: number): string {
  const size = Math.abs(value)
  if (!Number.isFinite(value)) return "–"
  if (Number.isInteger(value)) return value.toLocaleString("en-US")
  if (size >= 1000) return Math.round(value).toLocaleString("en-US")
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  if (size >= 0.1) return value.toFixed(2)
  return value.toFixed(3)
}

export function showSpread({ median, low, high }: Spread): string {
  return `${show(median)} (${show(low)}–${show(high)})`
}

/** Uniform in [0, 1), the same for the same seed; mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
