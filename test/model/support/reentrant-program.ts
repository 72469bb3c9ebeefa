import fc from "fast-check"

/** User code that the cache calls while it works, in the order in which a load meets it. */
export const HOOKS = [
  "key",
  "deps",
  "depsOf",
  "cacheErrors",
  "cacheIf",
  "ttl",
  "sizeOf",
  "validate",
  "onFault",
] as const

export const CHANNELS = [
  "hit",
  "miss",
  "load",
  "join",
  "lease",
  "store",
  "stale",
  "evict",
  "expire",
  "invalidate",
  "fault",
  "state",
] as const

export type Hook = (typeof HOOKS)[number]
export type Channel = (typeof CHANNELS)[number]

/** A place in which user code runs inside the cache. */
export type Site = Hook | `zoocache:${Channel}`

export type FunctionName = "plain" | "after" | "timed" | "flaky" | "outer" | "many" | "now"

export type Action =
  | { readonly do: "invalidate" | "expire"; readonly path: string }
  | { readonly do: "clear" }
  | { readonly do: "clearFunction"; readonly name: FunctionName }
  | { readonly do: "delete"; readonly name: FunctionName | "key"; readonly id: number }
  | { readonly do: "set"; readonly id: number }
  | { readonly do: "transaction"; readonly actions: readonly Action[]; readonly commits: boolean }
  | {
      readonly do: "read"
      readonly name: FunctionName
      readonly id: number
      readonly how: "plain" | "refresh" | "peek"
    }
  | { readonly do: "get" | "getOrLoad"; readonly id: number }
  | { readonly do: "getMany" }
  | { readonly do: "prune" }
  /** In hooks whose failure is a fault. */
  | { readonly do: "throw" }

/** What is done when a site is reached for the `skip + 1`st time. */
export interface Reaction {
  readonly site: Site
  readonly skip: number
  readonly actions: readonly Action[]
}

/** One thing that happens, and how much of what it set going may run before the next. */
export type Command = (Action | { readonly do: "advance"; readonly ms: number }) & {
  readonly after: "nothing" | "micro" | "settle"
}

export interface Setup {
  readonly seed: number
  /** `both`: two caches follow one log of this process, and each action is of either. */
  readonly log: "own" | "both" | "remote"
  readonly store: "none" | "local" | "leases"
  readonly maxEntries: number
}

export interface Program {
  readonly setup: Setup
  readonly commands: readonly Command[]
  readonly reactions: readonly Reaction[]
}

export const TAGS = ["row:0", "row:1", "row", "page", "other"] as const

/** Whether something may be done while user code runs at a site, there and in what it calls. */
export type Limit = (site: Site, action: Action) => boolean

/** Whether an action says that something changed. */
export function isChange(action: Action): boolean {
  if (action.do === "transaction") return action.actions.some(isChange)
  return ["invalidate", "expire", "clear", "clearFunction", "delete", "set"].includes(action.do)
}

// Few things, and one of them above all: what is done has to meet.
const name = fc.constantFrom<FunctionName>(
  ...(["plain", "plain", "plain", "plain", "after", "after", "timed", "flaky", "outer", "many", "now"] as const),
)
const id = fc.constantFrom(0, 0, 0, 1)
const path = fc.constantFrom(...(["row:0", "row:0", "row:0", ...TAGS] as const))
const of = fc.constant

const change: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: of("invalidate" as const), path }) },
  { weight: 2, arbitrary: fc.record({ do: of("expire" as const), path }) },
  { weight: 1, arbitrary: fc.record({ do: of("clear" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: of("clearFunction" as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: of("delete" as const), name: fc.oneof(name, of("key" as const)), id }) },
  { weight: 2, arbitrary: fc.record({ do: of("set" as const), id }) },
)

const read: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: of("read" as const),
      name,
      id,
      how: fc.constantFrom("plain", "plain", "plain", "refresh", "peek"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: of("get" as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: of("getOrLoad" as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: of("getMany" as const) }) },
)

const simple = fc.oneof({ weight: 5, arbitrary: change }, { weight: 5, arbitrary: read })

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 10, arbitrary: change },
  { weight: 10, arbitrary: read },
  {
    weight: 1,
    arbitrary: fc.record({
      do: of("transaction" as const),
      actions: fc.array(simple, { minLength: 1, maxLength: 3 }),
      commits: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: of("prune" as const) }) },
)

const site: fc.Arbitrary<Site> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom<Site>(...HOOKS) },
  { weight: 1, arbitrary: fc.constantFrom(...CHANNELS).map((channel): Site => `zoocache:${channel}`) },
)

const reaction = fc.record({
  site,
  skip: fc.nat(2),
  actions: fc.array(
    fc.oneof({ weight: 20, arbitrary: action }, { weight: 1, arbitrary: of({ do: "throw" as const }) }),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
})

const after = fc.constantFrom("nothing" as const, "micro" as const, "settle" as const)

const command: fc.Arbitrary<Command> = fc
  .tuple(
    fc.oneof(
      { weight: 10, arbitrary: action },
      { weight: 2, arbitrary: fc.record({ do: of("advance" as const), ms: fc.constantFrom(1, 60, 110, 300, 2500) }) },
    ),
    after,
  )
  .map(([done, then]) => ({ ...done, after: then }))

/** Which parts of a cache programs are about; each needs other conditions to be reached often. */
const setups = {
  memory: { log: of("own" as const), store: of("none" as const), maxEntries: fc.constantFrom(100, 100, 2) },
  both: { log: of("both" as const), store: of("none" as const), maxEntries: fc.constantFrom(100, 100, 2) },
  store: { log: of("own" as const), store: of("local" as const), maxEntries: fc.constantFrom(1, 1, 2, 100) },
  network: {
    log: of("remote" as const),
    store: fc.constantFrom("none" as const, "leases" as const),
    maxEntries: fc.constantFrom(100, 100, 1),
  },
} satisfies Record<string, { [Field in "log" | "store" | "maxEntries"]: fc.Arbitrary<Setup[Field]> }>

export type Kind = keyof typeof setups

export function programs(kind: Kind): fc.Arbitrary<Program> {
  const { log, store, maxEntries } = setups[kind] as { [Field in keyof Setup]: fc.Arbitrary<Setup[Field]> }
  const setup = fc.record({ seed: fc.nat(), log, store, maxEntries })
  return fc.record({
    setup,
    commands: fc.array(command, { minLength: 1, maxLength: 12 }),
    reactions: fc.array(reaction, { maxLength: 6 }),
  })
}
