import { expect, test } from "vitest"
import { ManualClock } from "zoocache/testing"
import { ReplyWatch } from "../../src/redis/reply-watch.js"

function setUp() {
  const clock = new ManualClock()
  const overdue: string[] = []
  const watch = new ReplyWatch<{ name: string; dueMs: number; isOver: boolean }>(clock, 100, (command) => {
    command.isOver = true
    overdue.push(command.name)
  })
  const send = (name: string) => {
    const command = { name, dueMs: clock.now() + 100, isOver: false }
    watch.add(command)
    return command
  }
  return { clock, watch, overdue, send }
}

test("gives each command its time with one timer for all", () => {
  const { clock, overdue, send } = setUp()
  send("first")
  clock.advance(60)
  send("second").isOver = true
  send("third")
  expect(clock.timers).toBe(1)
  clock.advance(39)
  expect(overdue).toEqual([])
  clock.advance(1)
  expect(overdue).toEqual(["first"])
  clock.advance(59)
  expect(overdue).toEqual(["first"])
  clock.advance(1)
  expect(overdue).toEqual(["first", "third"])
  expect(clock.timers).toBe(0)
})

test("looks at what has arrived before it counts time in which this process was busy", () => {
  const { clock, overdue, send } = setUp()
  const replied = send("replied")
  send("silent")
  clock.advanceWithinTurn(500)
  clock.advance(0)
  expect(overdue).toEqual([])
  replied.isOver = true
  clock.advance(10)
  expect(overdue).toEqual(["silent"])
})

test("gives back what is on its way when it is closed", () => {
  const { clock, watch, overdue, send } = setUp()
  send("over").isOver = true
  send("under way")
  expect(watch.close().map(({ name }) => name)).toEqual(["under way"])
  expect(clock.timers).toBe(0)
  clock.advance(1000)
  expect(overdue).toEqual([])
})

test("lists no more than some of what is over behind a command that stays silent", () => {
  const { overdue, send, clock } = setUp()
  for (let count = 0; count < 5000; count += 1) send(`${count}`).isOver = true
  send("silent")
  for (let count = 0; count < 5000; count += 1) send(`${count}`).isOver = true
  clock.advance(100)
  expect(overdue).toEqual(["silent"])
})
