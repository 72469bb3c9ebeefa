import { expect, test } from "vitest"
import { LeaseBoard, ManualClock } from "zoocache/testing"

test("forgets leases that have run out, and none that is held", () => {
  const clock = new ManualClock()
  const board = new LeaseBoard({ clock })
  board.acquire("held", 1_000_000)
  for (let key = 0; key < 10_000; key += 1) {
    board.acquire(String(key), 10)
    clock.advance(1)
  }
  expect(board.size).toBeLessThan(100)
  expect(board.held).toContain("held")
})
