import fc from "fast-check"

export type FunctionName =
  "row" | "late" | "result" | "timed" | "flaky" | "now" | "many" | "home" | "page" | "alone" | "mixed"

export type Fault = "answer" | "effect" | "reject" | "drop" | "answerAll" | "epoch" | "forget"

export type TransactionStep =
  | { readonly do: "read"; readonly name: FunctionName; readonly id: number }
  | { readonly do: "write"; readonly rows: readonly number[]; readonly through: "row" | "org" | "top" | "all" | "page" }
  | { readonly do: "delete" | "expireKey"; readonly name: FunctionName | "get"; readonly id: number }
  | { readonly do: "clearFunction"; readonly name: FunctionName }
  | { readonly do: "set"; readonly id: number }
  | { readonly do: "get"; readonly id: number }
  | { readonly do: "nested"; readonly steps: readonly TransactionStep[]; readonly commits: boolean }

type Action =
  | {
      readonly do: "read"
      readonly cache: number
      readonly name: FunctionName
      readonly id: number
      readonly how: "plain" | "fresh" | "refresh" | "signal" | "peek"
    }
  | {
      readonly do: "write"
      readonly cache: number
      readonly rows: readonly number[]
      readonly through: "row" | "org" | "top" | "all" | "page"
      readonly soft: boolean
      readonly wait: boolean
    }
  | {
      readonly do: "delete" | "expireKey"
      readonly cache: number
      readonly name: FunctionName | "get"
      readonly id: number
    }
  | { readonly do: "clearFunction"; readonly cache: number; readonly name: FunctionName }
  | { readonly do: "set"; readonly cache: number; readonly id: number; readonly positioned: boolean }
  | { readonly do: "get"; readonly cache: number; readonly id: number }
  | { readonly do: "release"; readonly which: number }
  | { readonly do: "releaseAll" }
  | { readonly do: "abort"; readonly which: number }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "prune"; readonly cache: number }
  | { readonly do: "explain"; readonly cache: number; readonly name: FunctionName; readonly id: number }
  | {
      readonly do: "transaction"
      readonly cache: number
      readonly steps: readonly TransactionStep[]
      readonly commits: boolean
    }
  | { readonly do: "sync"; readonly cache: number; readonly latest: boolean }
  | { readonly do: "log"; readonly fault: Fault; readonly which: number }

/** One thing that happens, and how much of what it set going may run before the next. */
export type Command = Action & { readonly after: "nothing" | "micro" | "settle" }

export interface Setup {
  readonly log: "own" | "shared" | "faulty"
  readonly seed: number
  readonly maxEntries: number
  readonly maxLoads: number
  /** How often a loader stops at one of its gates. */
  readonly gates: number
  /** How often an operation of the log meets a fault. */
  readonly faults: number
  readonly maxTags: number
  readonly losesPulls: boolean
  readonly losesHistory: boolean
  /** The caches have a store in common. */
  readonly hasStore: boolean
  /** With a log behind a network: the store is too, and one process loads a key for both. */
  readonly hasLeases: boolean
}

const name = fc.constantFrom<FunctionName>(
  "row",
  "row",
  "late",
  "late",
  "result",
  "timed",
  "flaky",
  "now",
  "many",
  "home",
  "home",
  "page",
  "page",
  "alone",
  "mixed",
)
const id = fc.nat(3)
const cache = fc.nat(1)
const which = fc.nat(7)
const rows = fc.uniqueArray(id, { minLength: 1, maxLength: 2 })
const through = fc.constantFrom("row", "row", "row", "row", "org", "top", "all", "page" as const)

const step: fc.Arbitrary<TransactionStep> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("read" as const), name, id }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("write" as const), rows, through }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("delete" as const, "expireKey" as const),
      name: fc.oneof(name, fc.constant("get" as const)),
      id,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clearFunction" as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("set" as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("get" as const), id }) },
)

const steps: fc.Arbitrary<TransactionStep[]> = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: step },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("nested" as const),
        steps: fc.array(step, { minLength: 1, maxLength: 3 }),
        commits: fc.boolean(),
      }),
    },
  ),
  { minLength: 1, maxLength: 5 },
)

function command(log: Setup["log"]): fc.Arbitrary<Command> {
  const action: fc.WeightedArbitrary<Action>[] = [
    {
      weight: 20,
      arbitrary: fc.record({
        do: fc.constant("read" as const),
        cache,
        name,
        id,
        how: fc.constantFrom(
          "plain",
          "plain",
          "plain",
          "plain",
          "plain",
          "fresh",
          "refresh",
          "signal",
          "peek" as const,
        ),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant("write" as const),
        cache,
        rows,
        through,
        soft: fc.integer({ min: 0, max: 5 }).map((roll) => roll === 5),
        wait: fc.integer({ min: 0, max: 5 }).map((roll) => roll < 5),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("delete" as const, "expireKey" as const),
        cache,
        name: fc.oneof({ weight: 3, arbitrary: name }, { weight: 1, arbitrary: fc.constant("get" as const) }),
        id,
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("clearFunction" as const), cache, name }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("set" as const), cache, id, positioned: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("get" as const), cache, id }) },
    { weight: 20, arbitrary: fc.record({ do: fc.constant("release" as const), which }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("releaseAll" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), which }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("advance" as const),
        ms: fc.constantFrom(1, 20, 70, 110, 300, 800, 2100),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("prune" as const), cache }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("explain" as const), cache, name, id }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("transaction" as const), cache, steps, commits: fc.boolean() }),
    },
  ]
  if (log === "faulty") {
    action.push(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("sync" as const), cache, latest: fc.boolean() }) },
      {
        weight: 14,
        arbitrary: fc.record({
          do: fc.constant("log" as const),
          fault: fc.constantFrom<Fault>(
            "answer",
            "answer",
            "answer",
            "effect",
            "effect",
            "reject",
            "drop",
            "answerAll",
            "epoch",
            "forget",
          ),
          which,
        }),
      },
    )
  }
  return fc
    .tuple(fc.oneof(...action), fc.constantFrom("nothing", "micro", "settle", "settle" as const))
    .map(([what, after]) => ({ ...what, after }))
}

export function commands(log: Setup["log"], most: number): fc.Arbitrary<Command[]> {
  return fc.array(command(log), { minLength: 1, maxLength: most, size: "max" })
}

export function setup(log: Setup["log"], more: Partial<Setup> = {}): fc.Arbitrary<Setup> {
  return fc
    .record({
      seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      maxEntries: fc.constantFrom(1000, 1000, 1000, 4, 1),
      maxLoads: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 2, 1),
      gates: fc.constantFrom(0.2, 0.5, 0.9),
      faults: fc.constantFrom(0, 0.1, 0.3, 0.6),
      maxTags: fc.constantFrom(1000, 3),
      losesPulls: fc.boolean(),
      hasStore: fc.boolean(),
      hasLeases: fc.boolean(),
    })
    .map((chosen) => ({ log, losesHistory: true, ...chosen, ...more }))
}
