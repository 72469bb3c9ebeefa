/** A seeded source of numbers in [0, 1) (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Ranks 0 to `count` - 1, where rank r is drawn in proportion to 1 / (r + 1) ** skew. */
export function zipf(count: number, skew: number, random: () => number): () => number {
  const sums = new Float64Array(count)
  let sum = 0
  for (let rank = 0; rank < count; rank++) sums[rank] = sum += (rank + 1) ** -skew
  return () => {
    const wanted = random() * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Popular keys, and every now and then a scan of `scan` keys that never come back. */
export function zipfWithScans(length: number, capacity: number, seed: number): number[] {
  const next = zipf(10 * capacity, 0.9, randomFrom(seed))
  const trace: number[] = []
  let unique = 1_000_000
  while (trace.length < length) {
    for (let count = 0; count < 20 * capacity; count++) trace.push(next())
    for (let count = 0; count < 4 * capacity; count++) trace.push(unique++)
  }
  return trace
}

/** What LRU is made for: a key returns soon or never, whatever its past. */
export function recencyBiased(length: number, capacity: number, seed: number): number[] {
  const random = randomFrom(seed)
  const distance = zipf(4 * capacity, 1, random)
  const stack: number[] = []
  const trace: number[] = []
  let unique = 0
  for (let index = 0; index < length; index++) {
    const depth = distance()
    const isNew = random() < 0.1 || depth >= stack.length
    const key = isNew ? unique++ : stack.splice(stack.length - 1 - depth, 1)[0]!
    stack.push(key)
    if (stack.length > 4 * capacity) stack.shift()
    trace.push(key)
  }
  return trace
}

/** Jobs, each of which reads a set of its own from begin to end, several times. */
export function phases({ keys, passes, jobs }: { keys: number; passes: number; jobs: number }): number[] {
  const trace: number[] = []
  for (let job = 0; job < jobs; job++) {
    for (let pass = 0; pass < passes; pass++) {
      for (let key = 0; key < keys; key++) trace.push(job * 1_000_003 + key)
    }
  }
  return trace
}

/** The keys 0 to `keys` - 1, over and over. */
export function loop(keys: number, length: number): number[] {
  return Array.from({ length }, (_, index) => index % keys)
}

/** All keys forward, then backward, and so on. */
export function sawtooth(keys: number, length: number): number[] {
  return loop(2 * keys, length).map((place) => (place < keys ? place : 2 * keys - 1 - place))
}
