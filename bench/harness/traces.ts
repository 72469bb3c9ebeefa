import { readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { seededRandom } from "./numbers.js"

/** Requests for keys, one after the other. */
export type Trace = readonly string[]

/** From Caffeine's simulator resources. */
export function recordedTrace(folder: string, name: string): Trace {
  const bytes = gunzipSync(readFileSync(join(folder, `${name}.trace.gz`)))
  const known = new Map<number, string>()
  const keyOf = (id: number) => {
    let key = known.get(id)
    if (key === undefined) known.set(id, (key = String(id)))
    return key
  }
  if (name.startsWith("web") || name.startsWith("orm")) {
    return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => keyOf(bytes.readInt32BE(at * 4)))
  }
  return bytes
    .toString("latin1")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && line !== "*")
    .map((line) => keyOf(Number(line)))
}

/** Popular keys, their popularity by Zipf's law, interrupted by scans over keys that are asked for once. */
export function zipfWithScans(): Trace {
  const random = seededRandom(42)
  const draw = zipf(20_000, 0.9, random)
  const requests: string[] = []
  let scanned = 0
  while (requests.length < 300_000) {
    for (let at = 0; at < 10_000; at += 1) requests.push(String(draw()))
    for (let at = 0; at < 2000; at += 1) requests.push(`scan:${(scanned += 1)}`)
  }
  return requests
}

/** Jobs, each of which reads a set of its own from begin to end, several times. */
export function phases({ keys, passes, jobs }: { keys: number; passes: number; jobs: number }): Trace {
  const requests: string[] = []
  for (let job = 0; job < jobs; job += 1) {
    for (let pass = 0; pass < passes; pass += 1) {
      for (let key = 0; key < keys; key += 1) requests.push(`${job}:${key}`)
    }
  }
  return requests
}

/** All keys forward, then backward, and so on. */
export function sawtooth(keys: number, length: number): Trace {
  return Array.from({ length }, (_, at) => {
    const place = at % (2 * keys)
    return String(place < keys ? place : 2 * keys - 1 - place)
  })
}

/** What LRU is made for: how soon a key comes again has nothing to do with which it is. */
export function recency(capacity: number, length: number): Trace {
  const random = seededRandom(8)
  const distance = zipf(4 * capacity, 1, random)
  const stack: string[] = []
  const requests: string[] = []
  for (let at = 0; at < length; at += 1) {
    const depth = distance()
    const isNew = random() < 0.1 || depth >= stack.length
    const key = isNew ? String(at) : (stack.splice(stack.length - 1 - depth, 1)[0] as string)
    stack.push(key)
    if (stack.length > 4 * capacity) stack.shift()
    requests.push(key)
  }
  return requests
}

/** Ranks from 0, drawn in proportion to 1 / (rank + 1) ** skew. */
function zipf(count: number, skew: number, random: () => number): () => number {
  const cumulative: number[] = []
  let total = 0
  for (let rank = 1; rank <= count; rank += 1) cumulative.push((total += 1 / rank ** skew))
  return () => {
    const aim = random() * total
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] as number) < aim) low = middle + 1
      else high = middle
    }
    return low
  }
}
