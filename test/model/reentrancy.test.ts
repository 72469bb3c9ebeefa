import { describe, test } from "vitest"
import { testReentrancy, uncensored } from "./support/reentrancy.js"
import type { Action, Program, Reaction, Site } from "./support/reentrant-program.js"
import { ReentrantWorld } from "./support/reentrant-world.js"

// Many more programs are in reentrancy.faults.ts.
testReentrancy({ memory: 150, both: 100, store: 100, network: 100 })

// Found by the search above, shortened.
describe("a hook or a listener", () => {
  const load: Program["commands"][number] = { do: "read", name: "plain", id: 0, how: "plain", after: "settle" }
  const row: Action = { do: "invalidate", path: "row:0" }
  const at = (site: Site, ...actions: Action[]): Reaction => ({ site, skip: 0, actions })

  function run(program: Partial<Program>): Promise<void> {
    const setup = { seed: 0, log: "own", store: "none", maxEntries: 100 } as const
    return new ReentrantWorld({ setup, commands: [load], reactions: [], ...program }, uncensored).run()
  }

  test("a value that was set inside a transaction is not served there once its tag has expired", () =>
    run({
      commands: [
        {
          do: "transaction",
          actions: [
            { do: "set", id: 0 },
            { do: "expire", path: "row:0" },
            { do: "get", id: 0 },
          ],
          commits: true,
          after: "settle",
        },
      ],
    }))

  test("a value that was set inside a nested transaction is not served once the one around it has invalidated it", () =>
    run({
      setup: { seed: 3, log: "own", store: "none", maxEntries: 100 },
      commands: [
        {
          do: "transaction",
          actions: [
            {
              do: "transaction",
              actions: [
                { do: "set", id: 0 },
                { do: "get", id: 0 },
                { do: "get", id: 0 },
              ],
              commits: true,
            },
            row,
          ],
          commits: true,
          after: "settle",
        },
      ],
    }))

  test("that invalidates inside `sizeOf` outdates the value that is being set, inside a transaction too", () =>
    run({
      commands: [
        {
          do: "transaction",
          actions: [
            { do: "set", id: 0 },
            { do: "get", id: 0 },
          ],
          commits: true,
          after: "settle",
        },
      ],
      reactions: [at("sizeOf", row)],
    }))

  test("that reads inside `zoocache:invalidate` gets the new value", () =>
    run({
      commands: [load, { ...row, after: "settle" }],
      reactions: [at("zoocache:invalidate", { do: "read", name: "plain", id: 0, how: "plain" })],
    }))

  test("that sets a key inside `zoocache:invalidate` does not move the cursor past what is not applied", () =>
    run({
      commands: [load, { do: "clear", after: "nothing" }, load],
      reactions: [at("zoocache:invalidate", { do: "set", id: 0 })],
    }))

  test("that deletes a key inside `zoocache:store` of its `set` has the last word", () =>
    run({
      commands: [{ do: "set", id: 0, after: "settle" }],
      reactions: [at("zoocache:store", { do: "delete", name: "key", id: 0 })],
    }))

  test("that clears inside `zoocache:store` of an entry from the store does not have that entry lifted above the clear", () =>
    run({
      setup: { seed: 0, log: "own", store: "local", maxEntries: 1 },
      commands: [
        { ...load, after: "micro" },
        { ...load, name: "after", after: "micro" },
        { ...load, how: "peek", after: "nothing" },
        { ...load, after: "nothing" },
        { do: "clearFunction", name: "plain", after: "nothing" },
      ],
      reactions: [{ site: "zoocache:store", skip: 2, actions: [{ do: "clear" }] }],
    }))

  test("that expires a tag inside `zoocache:evict` reaches the entry that is being stored", () =>
    run({
      setup: { seed: 0, log: "own", store: "local", maxEntries: 1 },
      commands: [
        { ...load, after: "nothing" },
        { do: "set", id: 0, after: "nothing" },
        { ...load, name: "after" },
        { do: "getMany", after: "nothing" },
        { do: "clearFunction", name: "plain", after: "nothing" },
      ],
      reactions: [{ ...at("zoocache:evict", { do: "expire", path: "row:0" }), skip: 2 }],
    }))

  for (const hook of ["ttl", "cacheIf", "sizeOf"] as const) {
    test(`that invalidates inside \`${hook}\` makes the load stale that it is asked about`, () =>
      run({ reactions: [at(hook, row)] }))
  }

  test("that invalidates inside `cacheErrors` makes the load stale that it is asked about", () =>
    run({
      commands: Array.from({ length: 6 }, () => ({ ...load, name: "flaky" })),
      reactions: [at("cacheErrors", row), at("cacheErrors", row), at("cacheErrors", row)],
    }))

  test("that invalidates inside `validate` makes the entry stale that it is asked about", () =>
    run({
      setup: { seed: 0, log: "own", store: "local", maxEntries: 1 },
      commands: [load, { ...load, id: 1 }, load],
      reactions: [at("validate", row)],
    }))
})
