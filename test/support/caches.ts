import { afterEach, expect } from "vitest"
import { type Cache, type CacheOptions, createCache, type Fault } from "zoocache"
import {
  type AppendReply,
  InProcessLog,
  type LogChange,
  type LogNews,
  type LogPosition,
  type PullReply,
  type RemoteLog,
} from "zoocache/backend"
import { checkInvariants, ManualClock, settled } from "zoocache/testing"

/** A cache with what a test moves and looks at. */
export interface Bench {
  readonly cache: Cache
  readonly clock: ManualClock
  /** What the cache reported, oldest first. */
  readonly faults: Fault[]
}

const made = new Map<Cache, { idle: boolean }>()

/** A cache on a clock that only the test moves. After the test its books are checked, and it is closed. */
export function makeCache(options: CacheOptions & { clock?: ManualClock } = {}): Bench {
  const clock = options.clock ?? new ManualClock()
  const faults: Fault[] = []
  const cache = createCache({
    random: seeded(),
    ...options,
    clock,
    onFault: (fault) => {
      faults.push(fault)
      options.onFault?.(fault)
    },
  })
  made.set(cache, { idle: true })
  return { cache, clock, faults }
}

/** The same chance in each run. */
function seeded(): () => number {
  let state = 42
  return () => {
    state = (state * 16_807) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** For tests that leave a load running on purpose. */
export function leavesLoadsRunning(cache: Cache): void {
  made.set(cache, { idle: false })
}

afterEach(async () => {
  await settled()
  const caches = [...made]
  made.clear()
  const problems: unknown[] = []
  for (const [cache, { idle }] of caches) {
    try {
      checkInvariants(cache, { idle })
    } catch (error) {
      problems.push(error)
    }
    await cache.close()
  }
  expect(problems).toEqual([])
})

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: unknown): void
}

/** A promise that the test settles. */
export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}

/** A loader whose runs the test ends one by one; `runs[0]` is the first. */
export function steered<T, Args extends unknown[] = []>() {
  const runs: (Deferred<T> & { readonly args: Args })[] = []
  const loader = (...args: Args): Promise<T> => {
    const run = { ...deferred<T>(), args }
    runs.push(run)
    return run.promise
  }
  return {
    loader,
    runs,
    /** The latest run. */
    get last() {
      const run = runs.at(-1)
      if (run === undefined) throw new Error("the loader has not run")
      return run
    },
  }
}

/** What a promise has come to once everything that is ready has run, without waiting for it. */
export async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  let state: unknown = "pending"
  promise.then(
    (value) => {
      state = { value }
    },
    (error: unknown) => {
      state = { error }
    },
  )
  await settled()
  return state
}

/** A shared log whose answers the test can hold back or replace by errors. */
export class SteeredLog implements RemoteLog {
  readonly local = false
  /** What appends come to: an answer, none until the test says so, or a rejection. */
  appends: "answer" | "hold" | "fail" = "answer"
  pulls: "answer" | "hold" | "fail" = "answer"
  /** Changes of the appends that arrived, oldest first. */
  readonly arrived: (readonly LogChange[])[] = []
  error: unknown = new Error("the log is gone")
  readonly #inner: InProcessLog
  readonly #held: (() => void)[] = []

  constructor(clock: ManualClock) {
    this.#inner = new InProcessLog({ clock, nonce: "steered", maxTags: 10_000 })
  }

  append(changes: readonly LogChange[], position: LogPosition, origin: string): Promise<AppendReply> {
    this.arrived.push(changes)
    return this.#answer(this.appends, () => this.#inner.append(changes, position, origin))
  }

  pull(position: LogPosition): Promise<PullReply> {
    return this.#answer(this.pulls, () => this.#inner.pull(position))
  }

  listen(onNews: (news?: LogNews) => void): () => void {
    return this.#inner.listen(onNews)
  }

  async close(): Promise<void> {}

  /** Another process appends. */
  elsewhere(...tags: string[]): AppendReply {
    const changes = tags.map((path) => ({ kind: "tag" as const, path }))
    return this.#inner.append(changes, { epoch: undefined, cursor: 0 }, "elsewhere")
  }

  /** Answers all that was held back. */
  async release(): Promise<void> {
    for (const answer of this.#held.splice(0)) answer()
    await settled()
  }

  async #answer<T>(mode: "answer" | "hold" | "fail", work: () => T): Promise<T> {
    if (mode === "fail") throw this.error
    if (mode === "answer") return work()
    return new Promise((resolve) => {
      this.#held.push(() => resolve(work()))
    })
  }
}

/** A cache on a shared log that the test steers, up to date. */
export async function makeShared(options: CacheOptions = {}): Promise<Bench & { log: SteeredLog }> {
  const clock = new ManualClock()
  const log = new SteeredLog(clock)
  const bench = makeCache({ ...options, clock, log })
  await bench.cache.ready()
  return { ...bench, log }
}

/** The error that a promise is rejected with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail("it was not rejected"),
    (error: unknown) => error,
  )
}

/** What a call throws, or what its promise is rejected with. */
export async function errorOf(call: () => unknown): Promise<unknown> {
  let result: unknown
  try {
    result = call()
  } catch (error) {
    return error
  }
  return rejectionOf(Promise.resolve(result))
}
