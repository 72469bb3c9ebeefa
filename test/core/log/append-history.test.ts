import { expect, test } from "vitest"
import { AppendHistory } from "../../../src/core/log/append-history.js"

const epoch = { ordinal: 1, nonce: "one" }
const tag = { kind: "tag", path: "a" } as const

test("acknowledgements that come in another order than their versions hide nothing that may be lost", () => {
  const history = new AppendHistory()
  history.lostBy({ epoch: { ordinal: 0, nonce: "none" }, head: 0, life: 1 }, undefined, true)
  history.note([tag], 20)
  history.note([tag], 10)
  expect(history.lostBy({ epoch, head: 15, life: 2 }, epoch, true)).toEqual([tag])
})
