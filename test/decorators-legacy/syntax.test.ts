import { expect, test } from "vitest"

// Guards the test setup: were this folder compiled with standard decorators, the tests beside this one would prove nothing.
test("decorators in this folder are the legacy ones", () => {
  const seen: unknown[][] = []
  function record(...args: unknown[]): void {
    seen.push(args)
  }

  class Repo {
    readonly #rows = 1
    @record
    rows(): number {
      return this.#rows
    }
  }

  expect(new Repo().rows()).toBe(1)
  expect(seen).toEqual([[Repo.prototype, "rows", expect.objectContaining({ value: expect.any(Function) })]])
})
