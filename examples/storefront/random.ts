/** A source of numbers in [0, 1) that repeats itself for the same seed (mulberry32). */
export type Random = () => number

export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** A whole number from 0 to `below` - 1. */
export function wholeNumber(random: Random, below: number): number {
  return Math.floor(random() * below)
}

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[wholeNumber(random, list.length)] as T
}

/** The numbers 1 to `count` in an order that the seed decides. */
export function shuffledNumbers(random: Random, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  for (let last = count - 1; last > 0; last -= 1) {
    const other = wholeNumber(random, last + 1)
    const moved = numbers[last] as number
    numbers[last] = numbers[other] as number
    numbers[other] = moved
  }
  return numbers
}

/** Draws ranks from 0 to `count` - 1 as visitors of shops do: rank r with a probability proportional to 1 / (r + 1). */
export function zipf(count: number): (random: Random) => number {
  const cumulative = new Float64Array(count)
  let sum = 0
  for (let rank = 0; rank < count; rank += 1) {
    sum += 1 / (rank + 1)
    cumulative[rank] = sum
  }
  return (random) => {
    const target = random() * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((cumulative[middle] as number) > target) high = middle
      else low = middle + 1
    }
    return low
  }
}
