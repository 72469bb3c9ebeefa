import { beforeEach, describe, expect, test } from "vitest"
import { ManualClock, settled } from "zoocache/testing"
import { type Queueable, WriteQueue, type WriteQueueOptions } from "../../src/redis/write-queue.js"

interface Write extends Queueable {
  readonly value: string
}

let clock: ManualClock
let sent: string[]
let dropped: string[]
let answers: (() => void)[]
let isOpen: boolean

beforeEach(() => {
  clock = new ManualClock()
  sent = []
  dropped = []
  answers = []
  isOpen = true
})

function queueOf(options: Partial<WriteQueueOptions<Write>> = {}): WriteQueue<Write> {
  return new WriteQueue<Write>({
    clock,
    maxWrites: 100,
    maxBytes: 10_000,
    maxInFlight: 100,
    maxInFlightBytes: 10_000,
    merge: (_last, next) => (next.value.startsWith("alone") ? undefined : next),
    canSend: () => isOpen,
    send: ({ key, value }) => {
      sent.push(`${key}=${value}`)
      return new Promise((resolve) => answers.push(resolve))
    },
    onDropped: ({ key, value }, why) => dropped.push(`${key}=${value} ${why}`),
    ...options,
  })
}

function write(key: string, value: string, bytes = 10): Write {
  return { key, value, bytes }
}

async function answerAll(): Promise<void> {
  while (answers.length > 0) {
    for (const answer of answers.splice(0)) answer()
    await settled()
  }
}

test("writes go out together at the end of the turn, in their order", async () => {
  const queue = queueOf()
  for (const key of ["a", "b", "c"]) queue.add(write(key, "1"))
  expect(sent).toEqual([])
  await settled()
  expect(sent).toEqual(["a=1", "b=1", "c=1"])
  expect(queue.size).toBe(3)
  await answerAll()
  expect(queue.size).toBe(0)
})

test("writes of a key go out one after the other; the newest stands for those that have not gone", async () => {
  const queue = queueOf()
  queue.add(write("a", "1"))
  await settled()
  for (const value of ["2", "3", "4"]) queue.add(write("a", value))
  queue.add(write("b", "1"))
  await settled()
  expect(sent).toEqual(["a=1", "b=1"])
  expect(queue.size).toBe(3)
  await answerAll()
  expect(sent).toEqual(["a=1", "b=1", "a=4"])
  expect(queue.size).toBe(0)
})

test("what can't be merged keeps its order", async () => {
  const queue = queueOf()
  for (const value of ["1", "alone 2", "alone 3", "4"]) queue.add(write("a", value))
  await settled()
  await answerAll()
  expect(sent).toEqual(["a=1", "a=alone 2", "a=4"])
})

test("no more are under way than allowed, by number and by bytes", async () => {
  const queue = queueOf({ maxInFlight: 2 })
  for (const key of ["a", "b", "c"]) queue.add(write(key, "1"))
  await settled()
  expect(sent).toEqual(["a=1", "b=1"])
  await answerAll()
  expect(sent).toEqual(["a=1", "b=1", "c=1"])
  sent.length = 0
  const narrow = queueOf({ maxInFlightBytes: 15 })
  for (const key of ["a", "b", "c"]) narrow.add(write(key, "1"))
  await settled()
  expect(sent).toEqual(["a=1", "b=1"])
})

describe("beyond its bounds the oldest are dropped", () => {
  test("by number", async () => {
    isOpen = false
    const queue = queueOf({ maxWrites: 3 })
    for (const key of ["a", "b", "c", "d", "e"]) queue.add(write(key, "1"))
    queue.add(write("c", "2"))
    await settled()
    expect(dropped).toEqual(["a=1 full", "b=1 full"])
    expect(queue.size).toBe(3)
    isOpen = true
    queue.pump()
    expect(sent.toSorted()).toEqual(["c=2", "d=1", "e=1"])
  })

  test("by bytes, also a single one above them all", async () => {
    isOpen = false
    const queue = queueOf({ maxBytes: 100 })
    for (const key of ["a", "b", "c"]) queue.add(write(key, "1", 40))
    expect(dropped).toEqual(["a=1 full"])
    expect(queue.waitingBytes).toBe(80)
    queue.add(write("d", "1", 101))
    expect(queue.size).toBe(0)
    expect(queue.waitingBytes).toBe(0)
    expect(dropped.at(-1)).toBe("d=1 full")
  })
})

describe("flush", () => {
  test("sends what waits and resolves when it is done", async () => {
    const queue = queueOf({ maxInFlight: 1 })
    for (const key of ["a", "b"]) queue.add(write(key, "1"))
    let isDone = false
    const flushed = queue.flush(1000).then(() => (isDone = true))
    expect(sent).toEqual(["a=1"])
    await settled()
    expect(isDone).toBe(false)
    await answerAll()
    await flushed
    expect(sent).toEqual(["a=1", "b=1"])
    expect(dropped).toEqual([])
    expect(clock.timers).toBe(0)
  })

  test("gives up what is not done in time", async () => {
    const queue = queueOf({ maxInFlight: 1 })
    for (const key of ["a", "b"]) queue.add(write(key, "1"))
    const flushed = queue.flush(1000)
    await clock.advanceAsync(1000)
    await flushed
    expect(dropped).toEqual(["b=1 given up", "a=1 given up"])
  })

  test("resolves at once where nothing waits", async () => {
    await queueOf().flush(1000)
    expect(clock.timers).toBe(0)
  })
})

test("what waits can be dropped, and what comes later goes out", async () => {
  const queue = queueOf()
  queue.add(write("a", "1"))
  queue.dropWaiting()
  await settled()
  expect(dropped).toEqual(["a=1 given up"])
  expect(sent).toEqual([])
  queue.add(write("a", "2"))
  await settled()
  expect(sent).toEqual(["a=2"])
})
