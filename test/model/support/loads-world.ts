import fc from "fast-check"
import { addDeps, type Cache, createCache, LoadCycleError } from "zoocache"
import { checkInvariants, ManualClock, settled } from "zoocache/testing"

/** How a loader goes on with a cached call that it makes. */
type Patience = "await" | "catch" | "race" | "signal" | "forget"

/** A step of a loader. */
type Step =
  | { readonly do: "read"; readonly row: number; readonly dep: "before" | "after" }
  | { readonly do: "wait" }
  | { readonly do: "call"; readonly to: number; readonly patience: Patience }
  | { readonly do: "set"; readonly key: number }

/** A cached function: its calls go to functions with a higher number most often, and now and then anywhere. */
export interface Spec {
  readonly cache: number
  readonly steps: readonly Step[]
  readonly hook: "none" | "ttl" | "depsOf" | "cacheIf"
  /** The row that the hook changes, once; none where it is beyond the rows. */
  readonly hookRow: number
  readonly timeoutMs: number
  readonly isBatched: boolean
}

type Command =
  | { readonly do: "call"; readonly to: number; readonly how: "plain" | "signal" | "fresh" }
  | { readonly do: "write"; readonly row: number }
  | { readonly do: "unrelated" }
  | { readonly do: "get"; readonly key: number }
  | { readonly do: "release"; readonly which: number }
  | { readonly do: "abort"; readonly which: number }
  | { readonly do: "advance"; readonly ms: number }

export interface Program {
  readonly maxLoads: readonly [number, number]
  readonly specs: readonly Spec[]
  readonly commands: readonly Command[]
}

const ROWS = 3
const FUNCTIONS = 5
const KEYS = 2
/** Functions that start each other without waiting would never come to an end. */
const MOST_LOADS = 300

const to = fc.nat({ max: FUNCTIONS - 1 })
const row = fc.nat({ max: ROWS - 1 })
const key = fc.nat({ max: KEYS - 1 })
const which = fc.nat({ max: 50 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("read" as const), row, dep: fc.constantFrom("before", "after") }),
  },
  { weight: 3, arbitrary: fc.constant({ do: "wait" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      to,
      patience: fc.constantFrom<Patience>("await", "await", "catch", "race", "signal", "forget"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("set" as const), key }) },
)
const spec: fc.Arbitrary<Spec> = fc.record({
  cache: fc.constantFrom(0, 0, 1),
  steps: fc.array(step, { maxLength: 5 }),
  hook: fc.constantFrom("none", "none", "ttl", "depsOf", "cacheIf"),
  hookRow: fc.nat({ max: 2 * ROWS }),
  timeoutMs: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 20),
  isBatched: fc.constantFrom(false, false, false, true),
})
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      to,
      how: fc.constantFrom("plain", "plain", "signal", "fresh"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("write" as const), row }) },
  { weight: 2, arbitrary: fc.constant({ do: "unrelated" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("get" as const), key }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("release" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("abort" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.constantFrom(5, 25) }) },
)

export const program: fc.Arbitrary<Program> = fc.record({
  maxLoads: fc.tuple(fc.constantFrom(Infinity, 1, 2), fc.constantFrom(Infinity, 1)),
  specs: fc.array(spec, { minLength: FUNCTIONS, maxLength: FUNCTIONS }),
  commands: fc.array(command, { minLength: 5, maxLength: 40 }),
})

/** The version of each row that a value was made of; the oldest where several were. */
type Made = Map<number, number>

/**
 * Runs a program, and says what it did wrong: calls that got what had been invalidated before them, calls that nothing
 * answers once all that their loaders wait for has come, and books that don't agree.
 */
export async function run({ maxLoads, specs, commands }: Program): Promise<string[]> {
  const clock = new ManualClock()
  const problems: string[] = []
  const caches = maxLoads.map((limit, index) =>
    createCache({
      prefix: `c${index}`,
      clock,
      ...(limit === Infinity ? {} : { maxLoads: limit }),
      onFault: ({ error }) => {
        const isExpected = ["ERR_ZOOCACHE_UNAWAITED_CALL", "ERR_ZOOCACHE_FOREIGN_CACHE"].includes(error.code)
        if (!isExpected) problems.push(`a fault: ${error.code} ${error.message}`)
      },
    }),
  )
  const rows = new Array<number>(ROWS).fill(0)
  /** The version of each row below which nothing may be read any more. */
  const floors = new Array<number>(ROWS).fill(0)
  const gates: (() => void)[] = []
  const signals: AbortController[] = []
  const pending = new Set<string>()
  let loads = 0
  const functions: ((n: number) => Promise<Made>)[] = []

  const write = (index: number) => {
    rows[index] = (rows[index] as number) + 1
    const version = rows[index]
    return Promise.all(caches.map((cache) => cache.invalidate(`r:${index}`))).then(() => {
      floors[index] = Math.max(floors[index] as number, version)
    })
  }
  const note = (made: Made, index: number) =>
    made.set(index, Math.min(made.get(index) ?? Infinity, rows[index] as number))
  const addAll = (made: Made, other: Made) => {
    for (const [index, version] of other) made.set(index, Math.min(made.get(index) ?? Infinity, version))
  }
  /** What a function reads in the end, as far as a caller that leaves it depends on it. */
  const readBy = (index: number, seen = new Set<number>()): Set<number> => {
    const found = new Set<number>()
    if (seen.has(index)) return found
    seen.add(index)
    for (const each of (specs[index] as Spec).steps) {
      if (each.do === "read") found.add(each.row)
      if (each.do === "call" && each.patience !== "forget") for (const one of readBy(each.to, seen)) found.add(one)
    }
    return found
  }

  const perform = async (own: Cache, each: Step, made: Made): Promise<void> => {
    if (each.do === "wait") {
      await new Promise<void>((resolve) => void gates.push(resolve))
    } else if (each.do === "read") {
      if (each.dep === "before") addDeps(`r:${each.row}`)
      note(made, each.row)
      if (each.dep === "after") {
        await settled()
        addDeps(`r:${each.row}`)
      }
    } else if (each.do === "set") {
      await own.set(`k:${each.key}`, new Map(made), { deps: [...made.keys()].map((index) => `r:${index}`) })
    } else await call(each.to, each.patience, made)
  }

  const call = async (index: number, patience: Patience, made: Made): Promise<void> => {
    const leave = () => {
      // Made without it, and so because of what it did not bring in time.
      for (const one of readBy(index)) note(made, one)
    }
    const target = functions[index] as (n: number) => Promise<Made>
    if (patience === "await") addAll(made, await target(0))
    else if (patience === "forget") void target(0).catch(() => {})
    else if (patience === "catch") await target(0).then((value) => addAll(made, value), leave)
    else {
      const controller = new AbortController()
      signals.push(controller)
      const limited = (target as unknown as { with(o: object): typeof target }).with({ signal: controller.signal })
      if (patience === "signal") await limited(0).then((value) => addAll(made, value), leave)
      else {
        const isFirst = await Promise.race([
          target(0).then(
            (value) => value,
            () => undefined,
          ),
          settled().then(() => undefined),
        ])
        if (isFirst === undefined) leave()
        else addAll(made, isFirst)
      }
    }
  }

  specs.forEach(({ cache, steps, hook, hookRow, timeoutMs, isBatched }, index) => {
    const own = caches[cache] as Cache
    let isHookDue = hook !== "none" && hookRow < ROWS
    const change = () => {
      if (!isHookDue) return
      isHookDue = false
      void write(hookRow)
    }
    const hooks = {
      ttl: { ttl: () => (change(), "1h" as const) },
      cacheIf: { cacheIf: () => (change(), true) },
      depsOf: { depsOf: (made: Made) => (change(), [...made.keys()].map((one) => `r:${one}`)) },
      none: {},
    }[hook]
    const load = async () => {
      const made: Made = new Map()
      loads += 1
      if (loads <= MOST_LOADS) for (const each of steps) await perform(own, each, made)
      return made
    }
    const options = { name: `f${index}`, timeout: timeoutMs, isolation: "share" as const, ...hooks }
    if (isBatched) {
      const many = own.cacheableMany(async (ids: readonly number[]) => {
        const made = await load()
        return ids.map(() => made)
      }, options)
      const one = (n: number) => many.one(n) as Promise<Made>
      functions.push(Object.assign(one, { with: () => one, refresh: (n: number) => many.refresh(n) as Promise<Made> }))
    } else functions.push(own.cacheable(load as (n: number) => Promise<Made>, options))
  })

  let calls = 0
  const begin = (what: string, from: number[], read: () => Promise<Made | undefined>) => {
    calls += 1
    const name = `${what} #${calls}`
    pending.add(name)
    void read()
      .then(
        (made) => {
          for (const [index, version] of made ?? []) {
            const least = from[index] as number
            if (version < least) problems.push(`${name} got version ${version} of row ${index}, after ${least}`)
          }
        },
        (error: unknown) => {
          const isExpected = error instanceof LoadCycleError || (error as Error).message === "left"
          const isTimeout = (error as { code?: string }).code === "ERR_ZOOCACHE_LOAD_TIMEOUT"
          if (!isExpected && !isTimeout) problems.push(`${name} was rejected: ${String(error)}`)
        },
      )
      .finally(() => pending.delete(name))
  }
  const obey = (each: Command) => {
    if (each.do === "write") void write(each.row)
    else if (each.do === "unrelated") void Promise.all(caches.map((cache) => cache.invalidate("unrelated")))
    else if (each.do === "release") gates.splice(each.which % Math.max(1, gates.length), 1)[0]?.()
    else if (each.do === "abort")
      signals.splice(each.which % Math.max(1, signals.length), 1)[0]?.abort(new Error("left"))
    else if (each.do === "advance") clock.advance(each.ms)
    else if (each.do === "get") {
      for (const cache of caches) begin(`get(${each.key})`, [...floors], () => cache.get<Made>(`k:${each.key}`))
    } else {
      const target = functions[each.to] as ((n: number) => Promise<Made>) & {
        with(o: object): (n: number) => Promise<Made>
        refresh(n: number): Promise<Made>
      }
      const controller = new AbortController()
      if (each.how === "signal") signals.push(controller)
      begin(`f${each.to}`, [...floors], () =>
        each.how === "plain"
          ? target(0)
          : each.how === "fresh"
            ? target.refresh(0)
            : target.with({ signal: controller.signal })(0),
      )
    }
  }
  for (const each of commands) {
    obey(each)
    await settled()
  }
  // A loader may be between two steps where it waits for nothing that is seen here.
  for (let round = 0, quiet = 0; round < 1000 && quiet < 4; round += 1) {
    const isBusy = gates.length > 0 || pending.size > 0 || caches.some((cache) => cache.stats().running > 0)
    quiet = isBusy ? 0 : quiet + 1
    for (const release of gates.splice(0)) release()
    await settled()
  }
  for (const name of pending) problems.push(`${name} was never answered`)
  for (const cache of caches) {
    try {
      checkInvariants(cache)
    } catch (error) {
      problems.push((error as Error).message)
    }
    await cache.close()
  }
  return problems
}
