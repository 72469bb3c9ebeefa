import { expect, test } from "vitest"
import { misfit } from "../../../src/core/values/place-in-value.js"

class User {
  id = 1
}

/** The message for an object at the end of a chain of objects, each of which holds the next. */
function messageOf(chain: readonly object[]): string {
  const nodes = chain.slice(0, -1)
  const parents = nodes.map((_node, index) => index - 1)
  return misfit({ nodes, parents }, nodes.length - 1, chain.at(-1), undefined, "does not fit.").message
}

test("misfit names the object and the way to it", () => {
  const user = new User()
  const row = { "the owner": user }
  const rows = [row]
  expect(messageOf([user])).toBe("An object (User) does not fit.")
  expect(messageOf([{ rows }, rows, row, user])).toBe('An object (User) at `value.rows[0]["the owner"]` does not fit.')
})

test("misfit finds members of maps and sets, values under symbols and extra names of arrays", () => {
  const user = new User()
  expect(messageOf([new Map([["a", user]]), user])).toMatch('`value.get("a")`')
  expect(messageOf([new Map([[1, user]]), user])).toMatch("`value.entries()[0][1]`")
  expect(messageOf([new Map([[user, 1]]), user])).toMatch("`value.entries()[0][0]`")
  expect(messageOf([new Set([1, user]), user])).toMatch("`value.values()[1]`")
  expect(messageOf([{ [Symbol("s")]: user }, user])).toMatch("`value[Symbol(s)]`")
  expect(messageOf([Object.assign([1], { owner: user }), user])).toMatch("`value.owner`")
})

test("misfit survives an object that hides what it holds, and cuts a long way", () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  expect(messageOf([proxy, new User()])).toMatch("`value[?]`")
  const chain: object[] = [new User()]
  for (let level = 0; level < 1_000; level += 1) chain.unshift({ inner: chain[0] })
  expect(messageOf(chain).length).toBeLessThan(250)
})
