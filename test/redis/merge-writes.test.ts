import { expect, test } from "vitest"
import { mergeWrites, type Put, settleWrite } from "../../src/redis/merge-writes.js"

const epoch = { ordinal: 1, nonce: "a" }

function put(version: number, answers: boolean[]): Put {
  return {
    kind: "put",
    key: "key",
    bytes: 10,
    record: Buffer.alloc(0),
    rank: { epoch, asOf: version, keyVersion: version },
    own: { resolve: (isKept) => answers.push(isKept), reject: () => {} },
    others: [],
  }
}

test("of 200,000 writes to one key that wait, one goes out, and all callers are answered", () => {
  const answers: boolean[] = []
  let last = put(1, answers)
  for (let version = 2; version <= 200_000; version += 1) last = mergeWrites(last, put(version, answers)) as Put
  expect(last.rank.asOf).toBe(200_000)
  settleWrite(last, true)
  expect(answers).toHaveLength(200_000)
  expect(answers.every(Boolean)).toBe(true)
})

test("two writes that each stand for 200,000 become one", () => {
  const answers: boolean[] = []
  const many = (version: number): Put => {
    let last = put(version, answers)
    for (let count = 1; count < 200_000; count += 1) last = mergeWrites(last, put(version, answers)) as Put
    return last
  }
  settleWrite(mergeWrites(many(1), many(2)) as Put, true)
  expect(answers).toHaveLength(400_000)
})
