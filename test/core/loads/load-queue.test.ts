import { expect, test } from "vitest"
import { LoadQueue } from "../../../src/core/loads/load-queue.js"

/** Notes begins by number; each holds its slot until `queue.release()`. */
function queueOf(limit: number) {
  const queue = new LoadQueue(limit)
  const begun: number[] = []
  const begins = new Map<number, () => void>()
  const request = (...numbers: number[]) => {
    for (const number of numbers) {
      const begin = () => begun.push(number)
      begins.set(number, begin)
      queue.request(begin)
    }
  }
  return { queue, begun, request, cancel: (number: number) => queue.cancel(begins.get(number) as () => void) }
}

test("begins at once while there is a slot, then in the order of arrival", () => {
  const { queue, begun, request } = queueOf(2)
  request(1, 2, 3, 4)
  expect([begun, queue.used, queue.waiting]).toEqual([[1, 2], 2, 2])
  queue.release()
  expect([begun, queue.used, queue.waiting]).toEqual([[1, 2, 3], 2, 1])
  queue.release()
  queue.release()
  queue.release()
  expect([begun, queue.used, queue.waiting]).toEqual([[1, 2, 3, 4], 0, 0])
})

test("gives up a place that has not come, and no other", () => {
  const { queue, begun, request, cancel } = queueOf(1)
  request(1, 2, 3)
  expect([cancel(2), cancel(2), cancel(1)]).toEqual([true, false, false])
  queue.release()
  expect(begun).toEqual([1, 3])
})

test("a long queue of loads that end while they begin does not fill the stack", () => {
  const queue = new LoadQueue(1)
  let ended = 0
  queue.request(() => {})
  for (let load = 0; load < 100_000; load += 1) {
    queue.request(() => {
      ended += 1
      queue.release()
    })
  }
  queue.release()
  expect([ended, queue.used, queue.waiting]).toEqual([100_000, 0, 0])
})

test("one that throws as it begins leaves the queue working", () => {
  const { queue, begun, request } = queueOf(1)
  request(1)
  queue.request(() => {
    throw new Error("broken")
  })
  request(2)
  expect(() => queue.release()).toThrow("broken")
  queue.release()
  expect(begun).toEqual([1, 2])
})

test("without a bound nobody waits", () => {
  const { queue, begun, request } = queueOf(Number.POSITIVE_INFINITY)
  request(1, 2, 3)
  expect([begun, queue.waiting]).toEqual([[1, 2, 3], 0])
})
