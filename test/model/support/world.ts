import { AsyncLocalStorage } from "node:async_hooks"
import { addDeps, type Cache, createCache, InvalidationNotAcknowledgedError, type Position, type Token } from "zoocache"
import { InProcessLog } from "zoocache/backend"
import {
  checkInvariants,
  FaultyLog,
  LeaseBoard,
  ManualClock,
  MemoryStore,
  RemoteMemoryStore,
  settled,
} from "zoocache/testing"
import { isSameEpoch, parseToken, versionWallMs } from "../../../src/core/tags/version.js"
import { jsonCodec } from "../../testing/support/json-codec.js"
import type { Command, Fault, FunctionName, Setup, TransactionStep } from "./commands.js"

/** What a loader, or a `set`, says of itself: when it began, what it saw, and what it depends on. */
interface Fact {
  readonly id: number
  readonly table: string
  readonly key: string
  readonly began: number
  readonly deps: readonly string[]
  /** Version of each row it has read. */
  readonly rows: Readonly<Record<number, number>>
  readonly parts: readonly Fact[]
  readonly inherits: boolean
  /** The transaction that it was loaded or set in. */
  readonly transaction: number | undefined
  readonly isSet: boolean
  readonly saysNothing?: boolean
  /** When its load settled. */
  readonly ended?: number
  readonly endedMs?: number
  readonly isError?: boolean
}

/** One invalidation, as a user knows it: when it was called, and what the rows were like then. */
interface Change {
  readonly kind: "tag" | "expiry" | "key" | "key-expiry" | "function"
  readonly path: string
  readonly cache: number
  /** What began before this may not be served … */
  readonly cut: number
  /** … to reads that start after this. */
  readonly from: number
  readonly rows: readonly number[]
  /** What the same call stored. */
  readonly value?: Fact | undefined
  token?: Token | undefined
}

interface OpenTransaction {
  readonly id: number
  readonly parent: OpenTransaction | undefined
  readonly changes: Change[]
  readonly rows: Map<number, number>
  readonly sets: Fact[]
  isOver: boolean
}

/** A read that has started. */
interface Reading {
  readonly label: string
  readonly cache: number
  readonly at: number
  readonly atMs: number
  readonly transaction: OpenTransaction | undefined
}

interface Gate {
  readonly label: string
  readonly open: () => void
}

class LoadFailed extends Error {
  readonly fact: Fact
  constructor(fact: Fact) {
    super("the loader failed")
    this.fact = fact
  }
}

class RolledBack extends Error {}

/** What a database driver keeps for the code inside a transaction. One for all worlds: each slows every promise down. */
const context = new AsyncLocalStorage<OpenTransaction>()

export const ROWS = 4
const BOUND_MS = 2000
/** The processes agree on who loads: only where a network is between them. */
function hasLeases(setup: Setup): boolean {
  return setup.log === "faulty" && setup.hasStore && setup.hasLeases
}

/** Less than any load may take, so that leases run out too. */
const LEASE_MS = 500
const HARD_TIMEOUT_MS = 700
const TTL_MS = 100

export const tagOf = (row: number) => `org:${row % 2}:row:${row}`

/**
 * A database, caches in front of it, and somebody who remembers what was promised. Every loader says when it began and
 * what it saw; each read that completes is compared with the invalidations that were called before it started. Nothing
 * here knows how the cache does it.
 */
export class World {
  readonly clock = new ManualClock()
  readonly caches: Cache[] = []
  readonly log: FaultyLog | undefined
  readonly trace: string[] = []
  readonly violations: string[] = []
  readonly #setup: Setup
  readonly #functions: ReturnType<World["define"]>[] = []
  readonly #random: () => number
  readonly #rows: number[] = Array.from({ length: ROWS }, () => 0)
  #written = 0
  /** Orders everything that happens. */
  #sequence = 0
  #facts = 0
  #transactions = 0
  readonly #changes: Change[] = []
  readonly #syncs: { cache: number; at: number; token: Token | undefined; atMs: number }[] = []
  /** When a value that was set took its key. */
  readonly #keyBegan = new Map<number, number>()
  readonly #committed = new Set<number>()
  /** The youngest load that a read of each key has shown. */
  readonly #newest = new Map<string, number>()
  /** Which transaction took over what a nested one had set. */
  readonly #joined = new Map<number, number>()
  #gates: Gate[] = []
  readonly #open = new Set<string>()
  #opened = 0
  readonly #aborts: AbortController[] = []
  #mayFail = true
  #mayWait = true
  #loads = 0

  constructor(setup: Setup) {
    this.#setup = setup
    this.#random = randomFrom(setup.seed)
    const isRemote = setup.log === "faulty"
    if (isRemote) {
      this.log = new FaultyLog({ clock: this.clock, maxTags: setup.maxTags })
      this.log.decide = (operation) => this.#fate(operation.kind)
    }
    const shared =
      setup.log === "shared" ? new InProcessLog({ clock: this.clock, nonce: "shared", maxTags: 100 }) : undefined
    const data = new Map<string, Uint8Array>()
    const board = new LeaseBoard({ clock: this.clock })
    const storeOf = () =>
      hasLeases(setup)
        ? new RemoteMemoryStore({ board, codec: jsonCodec, data, clock: this.clock })
        : new MemoryStore({ codec: jsonCodec, data })
    for (let index = 0; index < (setup.log === "own" ? 1 : 2); index += 1) {
      const log = isRemote ? this.log?.connect(`p${index}`) : shared
      const cache = createCache({
        clock: this.clock,
        random: this.#random,
        memory: { maxEntries: setup.maxEntries },
        maxLoads: setup.maxLoads,
        timeout: HARD_TIMEOUT_MS,
        staleness: { bound: BOUND_MS },
        ackTimeout: 500,
        onFault: ({ error }) => {
          const isExpected = error.code === "ERR_ZOOCACHE_REFRESH" || (isRemote && /LOG|NOT_ACK/.test(error.code))
          if (!isExpected) this.violations.push(`an unexpected fault: ${error.message}`)
        },
        ...(log === undefined ? {} : { log }),
        ...(setup.hasStore ? { store: storeOf(), codec: jsonCodec } : {}),
        ...(hasLeases(setup) ? { singleflight: { scope: "cluster", lease: LEASE_MS } as const } : {}),
      })
      this.caches.push(cache)
      this.#functions.push(this.define(cache, index))
    }
  }

  // --- the functions ---------------------------------------------------------------------------------------------

  define(cache: Cache, index: number) {
    const row = cache.cacheable(
      async (id: number) => {
        const draft = this.#begin("row", row.keyOf(id), [tagOf(id)])
        await this.#gate(`${draft.key} before`)
        this.#look(draft, id)
        await this.#gate(`${draft.key} after`)
        return this.#end(draft)
      },
      { name: "row", deps: (id) => [tagOf(id)] },
    )
    const late = cache.cacheable(
      async (id: number) => {
        const draft = this.#begin("late", late.keyOf(id), [tagOf(id)])
        await this.#gate(`${draft.key} before`)
        this.#look(draft, id)
        await this.#gate(`${draft.key} after`)
        addDeps(tagOf(id))
        await this.#gate(`${draft.key} at the end`)
        return this.#end(draft)
      },
      { name: "late" },
    )
    const result = cache.cacheable(
      async (id: number) => {
        const draft = this.#begin("result", result.keyOf(id), [tagOf(id)])
        await this.#gate(`${draft.key} before`)
        this.#look(draft, id)
        await this.#gate(`${draft.key} after`)
        return this.#end(draft)
      },
      { name: "result", depsOf: (_value, id) => [tagOf(id)], cacheErrors: false },
    )
    const timed = cache.cacheable(
      async (id: number) => {
        const draft = this.#begin("timed", timed.keyOf(id), [tagOf(id)])
        await this.#gate(`${draft.key} before`)
        this.#look(draft, id)
        await this.#gate(`${draft.key} after`)
        return this.#end(draft)
      },
      {
        name: "timed",
        deps: (id) => [tagOf(id)],
        ttl: TTL_MS,
        grace: 400,
        earlyRefresh: 0.6,
        timeout: { soft: 30, hard: HARD_TIMEOUT_MS },
      },
    )
    const flaky = cache.cacheable(
      async (id: number) => {
        const draft = this.#begin("flaky", flaky.keyOf(id), [tagOf(id)])
        this.#look(draft, id)
        await this.#gate(`${draft.key} after`)
        if (this.#mayFail && this.#random() < 0.7) throw new LoadFailed(this.#end(draft, false))
        return this.#end(draft)
      },
      { name: "flaky", deps: (id) => [tagOf(id)], cacheErrors: 200, idleTtl: 150 },
    )
    const loadNow = (id: number): Fact => {
      const draft = this.#begin("now", now.keyOf(id), [tagOf(id)])
      this.#look(draft, id)
      return this.#end(draft)
    }
    const ofNow = { name: "now", deps: (id: number) => [tagOf(id)] }
    // What is behind a network has to be waited for.
    const now = hasLeases(this.#setup) ? cache.cacheable(loadNow, ofNow) : cache.cacheableSync(loadNow, ofNow)
    const many = cache.cacheableMany(
      async (ids: readonly number[]): Promise<Fact[]> => {
        const drafts: Draft[] = ids.map((id) => this.#begin("many", many.keyOf(id), [tagOf(id)]))
        await this.#gate("many before")
        ids.forEach((id, at) => this.#look(drafts[at] as Draft, id))
        await this.#gate("many after")
        try {
          return ids.map((_id, at) => this.#end(drafts[at] as Draft))
        } catch (error) {
          // The failure of a batch is that of each of its ids, whatever the others depend on.
          throw new LoadFailed({ ...(error as LoadFailed).fact, deps: [], rows: {} })
        }
      },
      { name: "many", deps: (id) => [tagOf(id)], maxBatch: 3 },
    )
    const home = cache.cacheable(
      async (org: number) => {
        const draft = this.#begin("home", home.keyOf(org), [])
        await this.#gate(`${draft.key} before`)
        const first = this.#part(draft, index, `row(${org})`, () => row(org))
        if (this.#random() < 0.5) await first
        const second = this.#part(draft, index, `late(${org + 2})`, () => late(org + 2))
        await Promise.all([first, second])
        await this.#gate(`${draft.key} after`)
        return this.#end(draft)
      },
      { name: "home" },
    )
    const page = cache.cacheable(
      async (org: number) => {
        const draft = this.#begin("page", page.keyOf(org), [`page:${org}`])
        await this.#part(draft, index, `home(${org})`, () => home(org))
        await this.#gate(`${draft.key} between`)
        await this.#part(draft, index, `many(1)`, () => many.one(1) as Promise<Fact>)
        await this.#part(draft, index, `flaky(${org})`, () => flaky(org))
        const key = `k${org}`
        const before = ++this.#sequence
        const found = await cache.get<Fact>(key)
        if (found === undefined) draft.parts.push(this.#absent(key, before))
        else {
          this.#verify(found, {
            label: `get in page(${org})`,
            cache: index,
            at: before,
            atMs: this.clock.now(),
            transaction: this.#live(),
          })
          draft.parts.push(found)
        }
        if (hasLeases(this.#setup)) await this.#part(draft, index, "now(3)", async () => await now(3))
        else this.#syncPart(draft, index, () => now(3) as Fact)
        await this.#gate(`${draft.key} after`)
        return this.#end(draft)
      },
      { name: "page", deps: (org) => [`page:${org}`] },
    )
    const alone = cache.cacheable(
      async (id: number) => {
        const draft = this.#begin("alone", alone.keyOf(id), [`page:${id % 2}`], false)
        await this.#part(draft, index, `row(${id})`, () => row(id))
        await this.#gate(`${draft.key} after`)
        return this.#end(draft)
      },
      { name: "alone", deps: (id) => [`page:${id % 2}`], inherit: false },
    )
    const mixed = cache.cacheable(
      async (id: number) => {
        const draft = this.#begin("mixed", mixed.keyOf(id), [])
        await this.#part(draft, index, `timed(${id})`, () => timed(id))
        await this.#gate(`${draft.key} after`)
        return this.#end(draft)
      },
      { name: "mixed" },
    )
    return { row, late, result, timed, flaky, now, many, home, page, alone, mixed }
  }

  #begin(table: string, key: string, deps: readonly string[], inherits = true): Draft {
    this.#loads += 1
    this.#facts += 1
    return {
      id: this.#facts,
      table,
      key,
      began: ++this.#sequence,
      deps,
      rows: {},
      parts: [],
      inherits,
      transaction: this.#live()?.id,
      isSet: false,
    }
  }

  #look(draft: Draft, row: number): void {
    draft.rows[row] = this.#rowAt(row)
  }

  #end(draft: Draft, mayFail = true): Fact {
    draft.ended = ++this.#sequence
    draft.endedMs = this.clock.wall()
    if (mayFail && this.#mayFail && this.#random() < 0.06) {
      draft.isError = true
      throw new LoadFailed(draft)
    }
    return draft
  }

  #absent(key: string, at: number): Fact {
    this.#facts += 1
    return {
      id: this.#facts,
      table: "",
      key,
      began: at,
      deps: [],
      rows: {},
      parts: [],
      inherits: true,
      transaction: undefined,
      isSet: false,
      saysNothing: true,
    }
  }

  /** A nested read: its result, or its error, is an ingredient. */
  async #part(draft: Draft, cache: number, label: string, read: () => Promise<Fact>): Promise<void> {
    const reading = this.#reading(`${label} in ${draft.key}`, cache)
    try {
      const fact = await read()
      this.#verify(fact, reading)
      draft.parts.push(fact)
    } catch (error) {
      if (!(error instanceof LoadFailed)) throw error
      this.#verify(error.fact, reading)
      draft.parts.push(error.fact)
    }
  }

  #syncPart(draft: Draft, cache: number, read: () => Fact): void {
    const reading = this.#reading(`sync part in ${draft.key}`, cache)
    try {
      const fact = read()
      this.#verify(fact, reading)
      draft.parts.push(fact)
    } catch (error) {
      if (!(error instanceof LoadFailed)) throw error
      draft.parts.push(error.fact)
    }
  }

  // --- the database ----------------------------------------------------------------------------------------------

  #rowAt(row: number): number {
    for (let at = this.#live(); at !== undefined; at = at.parent) {
      const own = at.rows.get(row)
      if (own !== undefined) return own
    }
    return this.#rows[row] as number
  }

  #writeRow(row: number): void {
    this.#written += 1
    const open = this.#live()
    if (open === undefined) this.#rows[row] = this.#written
    else open.rows.set(row, this.#written)
  }

  /** The transaction whose uncommitted rows the running code sees. */
  #live(): OpenTransaction | undefined {
    let at = context.getStore()
    while (at?.isOver === true) at = at.parent
    return at
  }

  #gate(label: string): Promise<void> | undefined {
    if (!this.#mayWait || this.#random() >= this.#setup.gates) return undefined
    return new Promise((resolve) => {
      this.#gates.push({ label, open: resolve })
    })
  }

  // --- commands --------------------------------------------------------------------------------------------------

  async run(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      this.trace.push(`#${this.#sequence} ${JSON.stringify(command)}`)
      this.#perform(command)
      if (command.after === "micro") for (let turn = 0; turn < 3; turn += 1) await Promise.resolve()
      if (command.after === "settle") await settled()
      if (this.violations.length > 0) break
    }
    await this.#finish()
    if (this.violations.length > 0) throw new Error(`${this.violations.join("\n")}\n${this.trace.join("\n")}`)
  }

  #perform(command: Command): void {
    const index = "cache" in command ? command.cache % this.caches.length : 0
    const cache = this.caches[index] as Cache
    switch (command.do) {
      case "read":
        void this.#read(index, command.name, command.id, command.how)
        return
      case "write":
        this.#write(index, command.rows, command.through, command.soft, command.wait)
        return
      case "delete":
      case "expireKey":
        this.#delete(index, command.name, command.id, command.do === "expireKey")
        return
      case "clearFunction":
        this.#clearFunction(index, command.name)
        return
      case "set":
        void this.#track("set", this.#set(index, command.id, command.positioned))
        return
      case "get":
        void this.#track("get", this.#get(index, command.id))
        return
      case "release": {
        if (this.#gates.length === 0) return
        const [gate] = this.#gates.splice(command.which % this.#gates.length, 1)
        gate?.open()
        return
      }
      case "releaseAll":
        this.#releaseAll()
        return
      case "abort":
        if (this.#aborts.length > 0) this.#aborts[command.which % this.#aborts.length]?.abort()
        return
      case "advance":
        this.clock.advance(command.ms)
        return
      case "prune":
        cache.prune()
        return
      case "explain": {
        const fns = this.#functions[index] as Functions
        fns[command.name].explain(command.id)
        return
      }
      case "transaction":
        void this.#track("transaction", this.#transaction(index, command.steps, command.commits))
        return
      case "sync":
        this.#sync(index, command.latest)
        return
      case "log":
        this.#disturb(command.fault, command.which)
    }
  }

  #reading(label: string, cache: number): Reading {
    return { label, cache, at: ++this.#sequence, atMs: this.clock.wall(), transaction: this.#live() }
  }

  #read(
    index: number,
    name: FunctionName,
    id: number,
    how: "plain" | "fresh" | "refresh" | "signal" | "peek",
  ): Promise<void> {
    const fns = this.#functions[index] as Functions
    const label = `${name}(${id}) ${how} on ${index}`
    const reading = this.#reading(label, index)
    if (how === "peek") {
      const found = fns[name].peek(id)
      if (found !== undefined) this.#verify(found, reading)
      return Promise.resolve()
    }
    const newest = name === "flaky" ? undefined : this.#newest.get(`${index} ${fns[name].keyOf(id)}`)
    const start = (): Promise<Fact> => {
      const isAnew = how === "refresh" || how === "fresh"
      if (name === "now") return (async () => (isAnew ? fns.now.refresh(id) : fns.now(id)))()
      if (name === "many") {
        if (isAnew) return fns.many.refresh(id) as Promise<Fact>
        return fns.many([id, (id + 1) % ROWS]).then((found) => {
          for (const other of found.values()) this.#verify(other, reading)
          return found.get(id) as Fact
        })
      }
      const fn = fns[name]
      if (how === "refresh") return fn.refresh(id)
      if (how === "fresh") return fn.with({ fresh: true })(id)
      if (how === "signal") {
        const controller = new AbortController()
        this.#aborts.push(controller)
        return fn.with({ signal: controller.signal })(id)
      }
      return fn(id)
    }
    const ended = start().then(
      (fact) => {
        this.#checkOrder(fact, reading, newest)
        if (!this.#isOver)
          this.trace.push(`#${this.#sequence} ${label} of ${reading.at} got ${fact?.id}, began ${fact?.began}`)
        this.#verify(fact, reading)
        if ((how === "refresh" || how === "fresh") && fact.began < reading.at) {
          this.violations.push(`${label} at ${reading.at} joined a load that began at ${fact.began}`)
        }
      },
      (error: unknown) => {
        if (error instanceof LoadFailed) this.#verify(error.fact, reading)
        else if (!isExpected(error)) this.violations.push(`${label} rejected with ${String(error)}`)
      },
    )
    return this.#track(label, ended)
  }

  #write(
    index: number,
    rows: readonly number[],
    through: "row" | "org" | "top" | "all" | "page",
    soft: boolean,
    wait: boolean,
  ): void {
    const cache = this.caches[index] as Cache
    for (const row of rows) this.#writeRow(row)
    const paths = [
      ...new Set(
        through === "row"
          ? rows.map(tagOf)
          : through === "org"
            ? rows.map((row) => `org:${row % 2}`)
            : through === "page"
              ? rows.map((row) => `page:${row % 2}`)
              : [through === "top" ? "org" : ""],
      ),
    ]
    const isAll = through === "all"
    const kind = soft && !isAll ? "expiry" : "tag"
    const changes = paths.map((path) => this.#change(kind, path, index))
    let sent: Promise<Token | undefined>
    if (isAll) sent = cache.clear()
    else if (soft) sent = wait ? cache.expire(...paths) : cache.expire(paths, { wait: false })
    else sent = wait ? cache.invalidate(...paths) : cache.invalidate(paths, { wait: false })
    this.#acknowledged(`invalidate ${paths.join()}`, sent, changes)
  }

  #delete(index: number, name: FunctionName | "get", id: number, isSoft: boolean): void {
    const fns = this.#functions[index] as Functions
    const cache = this.caches[index] as Cache
    const key = name === "get" ? `k${id}` : fns[name].keyOf(id)
    const changes = [this.#change(isSoft ? "key-expiry" : "key", key, index)]
    const sent = isSoft
      ? name === "get"
        ? cache.expireKeys(key)
        : fns[name].expire(id)
      : name === "get"
        ? cache.delete(key)
        : fns[name].delete(id)
    this.#acknowledged(`${isSoft ? "expire" : "delete"} ${key}`, sent, changes)
  }

  #clearFunction(index: number, name: FunctionName): void {
    const fns = this.#functions[index] as Functions
    const changes = [this.#change("function", name, index)]
    this.#acknowledged(`clear ${name}`, fns[name].clear(), changes)
  }

  async #set(index: number, id: number, positioned: boolean): Promise<void> {
    const cache = this.caches[index] as Cache
    const key = `k${id}`
    let began = ++this.#sequence
    let position: Position | undefined
    if (positioned) {
      position = cache.position()
      await this.#gate(`${key} before`)
    } else began = ++this.#sequence
    const version = this.#rowAt(id)
    if (positioned) await this.#gate(`${key} after`)
    const open = this.#live()
    this.#facts += 1
    const fact: Fact = {
      id: this.#facts,
      table: "",
      key,
      began,
      deps: [tagOf(id)],
      rows: { [id]: version },
      parts: [],
      inherits: true,
      transaction: open?.id,
      isSet: true,
    }
    const change = this.#change("key", key, index, fact)
    this.#keyBegan.set(fact.id, open === undefined ? change.cut : Number.POSITIVE_INFINITY)
    open?.sets.push(fact)
    const sent = cache.set(key, fact, { deps: [tagOf(id)], ...(position === undefined ? {} : { asOf: position }) })
    this.#acknowledged(`set ${key}`, sent, [change])
  }

  async #get(index: number, id: number): Promise<void> {
    const key = `k${id}`
    const reading = this.#reading(`get ${key} on ${index}`, index)
    const cache = this.caches[index] as Cache
    if (this.#random() < 0.6) {
      const found = await cache.get<Fact>(key)
      if (found !== undefined) this.#verify(found, reading)
      return
    }
    try {
      const fact = await cache.getOrLoad(
        key,
        async (): Promise<Fact> => {
          const draft = this.#begin("", key, [tagOf(id)])
          await this.#gate(`${key} before`)
          this.#look(draft, id)
          await this.#gate(`${key} after`)
          return this.#end(draft)
        },
        { deps: [tagOf(id)] },
      )
      this.#verify(fact, reading)
    } catch (error) {
      if (error instanceof LoadFailed) this.#verify(error.fact, reading)
      else if (!isExpected(error)) this.violations.push(`getOrLoad ${key} rejected with ${String(error)}`)
    }
  }

  async #transaction(index: number, steps: readonly TransactionStep[], commits: boolean): Promise<void> {
    this.#transactions += 1
    const parent = this.#live()
    const open: OpenTransaction = {
      id: this.#transactions,
      parent,
      changes: [],
      rows: new Map(),
      sets: [],
      isOver: false,
    }
    let cut = 0
    let rows: readonly number[] = []
    let token: Token | undefined
    try {
      await (this.caches[index] as Cache)
        .transaction((handle) =>
          context.run(open, async () => {
            for (const step of steps) {
              await this.#gate("transaction")
              await this.#step(index, step)
            }
            await this.#gate("end of transaction")
            open.isOver = true
            if (!commits) throw new RolledBack()
            for (const [row, version] of open.rows) {
              if (parent !== undefined) parent.rows.set(row, version)
              else {
                if ((this.#rows[row] as number) > version) this.#written += 1
                this.#rows[row] = Math.max(version, (this.#rows[row] as number) > version ? this.#written : 0)
              }
            }
            if (parent === undefined) this.#committed.add(open.id)
            else this.#joined.set(open.id, parent.id)
            cut = ++this.#sequence
            rows = [...this.#rows]
            queueMicrotask(() => (token = handle.token))
            return handle
          }),
        )
        .then((handle) => {
          token = handle.token
        })
    } catch (error) {
      if (error instanceof RolledBack) return
      if (!(error instanceof InvalidationNotAcknowledgedError && error.committed)) {
        open.isOver = true
        if (!isExpected(error)) this.violations.push(`a transaction rejected with ${String(error)}`)
        return
      }
    }
    this.trace.push(`#${this.#sequence} transaction ${open.id} is over`)
    if (parent !== undefined) {
      parent.changes.push(...open.changes)
      parent.sets.push(...open.sets)
      return
    }
    const from = ++this.#sequence
    for (const fact of open.sets) {
      this.#keyBegan.set(fact.id, from)
    }
    for (const change of open.changes) this.#changes.push({ ...change, cut, from, rows, token })
  }

  async #step(index: number, step: TransactionStep): Promise<void> {
    switch (step.do) {
      case "read":
        return this.#read(index, step.name, step.id, "plain")
      case "write":
        return this.#write(index, step.rows, step.through, false, true)
      case "delete":
      case "expireKey":
        return this.#delete(index, step.name, step.id, step.do === "expireKey")
      case "clearFunction":
        return this.#clearFunction(index, step.name)
      case "set":
        return this.#set(index, step.id, false)
      case "get":
        return this.#get(index, step.id)
      case "nested":
        return this.#transaction(index, step.steps, step.commits)
    }
  }

  #sync(index: number, isLatest: boolean): void {
    const tokens = this.#changes.map((change) => change.token).filter((token) => token !== undefined)
    const token = isLatest ? tokens.at(-1) : tokens[Math.floor(this.#random() * tokens.length)]
    if (token === undefined) return
    const synced = (this.caches[index] as Cache).sync(token).then(
      () => {
        this.#syncs.push({ cache: index, at: ++this.#sequence, token, atMs: this.clock.wall() })
        this.trace.push(`#${this.#sequence} ${index} is in step with ${token}`)
      },
      (error: unknown) => {
        if (!isExpected(error)) this.violations.push(`sync rejected with ${String(error)}`)
      },
    )
    void this.#track(`sync on ${index}`, synced)
  }

  #change(kind: Change["kind"], path: string, cache: number, value?: Fact): Change {
    const at = ++this.#sequence
    const open = this.#live()
    const change: Change = { kind, path, cache, cut: at, from: at, rows: [...this.#rows], value }
    ;(open?.changes ?? this.#changes).push(change)
    return change
  }

  #acknowledged(label: string, sent: Promise<Token | undefined>, changes: readonly Change[]): void {
    const done = sent.then(
      (token) => {
        for (const change of changes) change.token = token
      },
      (error: unknown) => {
        const mayFail = this.log !== undefined && error instanceof InvalidationNotAcknowledgedError
        if (!mayFail) this.violations.push(`${label} rejected with ${String(error)}`)
      },
    )
    void this.#track(label, done)
  }

  #track(label: string, work: Promise<void>): Promise<void> {
    this.#opened += 1
    const name = `${label} (${this.#opened})`
    this.#open.add(name)
    return work
      .catch((error: unknown) => {
        this.violations.push(`${label} failed with ${String((error as Error)?.stack ?? error)}`)
      })
      .then(() => {
        this.#open.delete(name)
      })
  }

  // --- the log ---------------------------------------------------------------------------------------------------

  #fate(kind: "append" | "pull" | "news") {
    const { faults } = this.#setup
    if (this.#random() >= faults) return "pass"
    const fates =
      kind === "news"
        ? (["lose", "hold", "twice", "mute", "hold"] as const)
        : kind === "append"
          ? (["hold", "hold", "fail", "effectThenFail", "lose", "mute", "twice"] as const)
          : this.#setup.losesPulls
            ? (["hold", "hold", "fail", "lose"] as const)
            : (["hold", "hold", "fail"] as const)
    return fates[Math.floor(this.#random() * fates.length)] as (typeof fates)[number]
  }

  #disturb(fault: Fault, which: number): void {
    const { log } = this
    if (log === undefined) return
    const { held } = log
    const operation = held[which % Math.max(1, held.length)]
    switch (fault) {
      case "answer":
        operation?.answer()
        return
      case "effect":
        operation?.effect()
        return
      case "reject":
        operation?.reject()
        return
      case "drop":
        if (operation?.kind !== "pull" || this.#setup.losesPulls) operation?.drop()
        return
      case "answerAll":
        log.releaseAll()
        return
      case "epoch":
        if (this.#setup.losesHistory) log.beginEpoch()
        return
      case "forget":
        log.forget(1)
    }
  }

  // --- what was promised -----------------------------------------------------------------------------------------

  #verify(fact: Fact | undefined, reading: Reading): void {
    if (fact === undefined) return
    const changes = this.#changes.filter((change) => change.from < reading.at && this.#reaches(change, reading))
    for (let at = reading.transaction; at !== undefined; at = at.parent) {
      changes.push(...at.changes.filter((change) => change.from < reading.at))
    }
    this.#check(fact, fact, changes, reading)
  }

  /** Whether a change was promised to hold for a read: it is this instance's own, or it must have arrived. */
  #reaches(change: Change, reading: Reading): boolean {
    if (change.cache === reading.cache || this.#setup.log !== "faulty") return true
    if (change.token === undefined) return this.#isOver
    const { epoch, version } = parseToken(change.token)
    if (reading.atMs > versionWallMs(version) + BOUND_MS + 10) return true
    return this.#syncs.some(({ cache, at, token }) => {
      if (cache !== reading.cache || at > reading.at) return false
      if (token === undefined) return true
      const reached = parseToken(token)
      return isSameEpoch(reached.epoch, epoch) ? reached.version >= version : reached.epoch.ordinal > epoch.ordinal
    })
  }

  #check(fact: Fact, whole: Fact, changes: readonly Change[], reading: Reading): void {
    const { transaction } = reading
    if (fact.transaction !== undefined && !this.#mayShare(fact, transaction)) {
      this.#violated(`it was made inside transaction ${fact.transaction}`, fact, whole, reading)
    }
    const isOwnWrite = fact.isSet && fact.transaction !== undefined && isAround(this.#ownerOf(fact), transaction)
    for (const change of changes) {
      if (isOwnWrite && this.#changes.includes(change)) continue
      if (!isCovered(fact, change)) continue
      const isSoft = change.kind === "expiry" || change.kind === "key-expiry"
      if (isSoft && fact.table === "timed") continue
      const isKey = change.kind === "key" || change.kind === "key-expiry" || change.kind === "function"
      if (change.value?.id === fact.id) continue
      if (isKey && fact.isSet && this.#outranks(fact, change)) continue
      const began = isKey ? (this.#keyBegan.get(fact.id) ?? fact.began) : fact.began
      if (began <= change.cut) {
        this.#violated(`${change.kind} "${change.path}" was invalidated at ${change.cut}`, fact, whole, reading)
      }
      if (isKey || fact.transaction !== undefined) continue
      for (const [row, version] of Object.entries(fact.rows)) {
        const needed = change.rows[Number(row)] as number
        if (fact.deps.includes(tagOf(Number(row))) && isBelow(tagOf(Number(row)), change.path) && version < needed) {
          this.#violated(`row ${row} is of version ${version}, ${needed} was announced`, fact, whole, reading)
        }
      }
    }
    if (fact.inherits) for (const part of fact.parts) this.#check(part, whole, changes, reading)
  }

  /** What is kept only gets newer, and lives no longer than what it was made of. */
  #checkOrder(fact: Fact, reading: Reading, newest: number | undefined): void {
    if (fact === undefined || reading.transaction !== undefined || fact.transaction !== undefined) return
    const id = `${reading.cache} ${fact.key}`
    // Which of two loads in two processes began earlier is more than a log that stands still can tell.
    if (fact.table !== "timed" && !this.#setup.hasStore) {
      const known = newest ?? 0
      if (fact.began < known) this.#violated(`a read before it got what began at ${known}`, fact, fact, reading)
      this.#newest.set(id, Math.max(known, fact.began))
    }
    if (fact.ended === undefined || reading.at < fact.ended) return
    for (const part of fact.parts) {
      if (part.table === "timed" && part.isError !== true && reading.atMs > (part.endedMs as number) + TTL_MS + 5) {
        this.#violated(`it was kept longer than its part ${part.key} may live`, fact, fact, reading)
      }
    }
  }

  /** Two processes may set one key: the log says who was later. */
  #outranks(fact: Fact, change: Change): boolean {
    const own = this.#changes.find((other) => other.value?.id === fact.id)
    if (own === undefined || own.cache === change.cache) return false
    if (own.token === undefined || change.token === undefined) return true
    const mine = parseToken(own.token)
    const other = parseToken(change.token)
    return isSameEpoch(mine.epoch, other.epoch)
      ? mine.version > other.version
      : mine.epoch.ordinal > other.epoch.ordinal
  }

  #mayShare(fact: Fact, reader: OpenTransaction | undefined): boolean {
    if (isAround(fact.transaction as number, reader)) return true
    const owner = this.#ownerOf(fact)
    return fact.isSet && (isAround(owner, reader) || this.#committed.has(owner))
  }

  #ownerOf(fact: Fact): number {
    let owner = fact.transaction as number
    for (let next = this.#joined.get(owner); next !== undefined; next = this.#joined.get(owner)) owner = next
    return owner
  }

  #violated(why: string, fact: Fact, whole: Fact, reading: Reading): void {
    const part = fact.id === whole.id ? "" : ` as part of ${whole.key} (began ${whole.began})`
    this.violations.push(
      `${reading.label}, which started at ${reading.at}, got ${fact.isSet ? "the set value of " : ""}${fact.key} (fact ${fact.id}), which began at ${fact.began}${part}: ${why}`,
    )
  }

  // --- the end ---------------------------------------------------------------------------------------------------

  #isOver = false

  #releaseAll(): void {
    const gates = this.#gates
    this.#gates = []
    for (const gate of gates) gate.open()
  }

  async #finish(): Promise<void> {
    this.#mayWait = false
    this.#mayFail = false
    const isQuiet = () =>
      this.#open.size === 0 && this.#gates.length === 0 && this.caches.every((cache) => cache.status().pending === 0)
    for (let round = 0; round < 120; round += 1) {
      this.#releaseAll()
      this.log?.heal()
      await settled()
      if (isQuiet()) break
      if (round > 2) this.clock.advance(round < 10 ? 200 : 2000)
    }
    if (!isQuiet()) {
      const pending = this.caches.map((cache) => cache.status().pending)
      this.violations.push(`it hangs: ${[...this.#open].join("; ")}; ${pending.join("+")} appends pending`)
      return
    }
    for (const [index, cache] of this.caches.entries()) {
      const synced = cache.sync(undefined, { timeout: 60_000 }).then(() => "done")
      for (let round = 0; round < 50; round += 1) {
        if ((await Promise.race([synced, settled()])) === "done") break
        this.clock.advance(200)
      }
      this.#syncs.push({ cache: index, at: ++this.#sequence, token: undefined, atMs: 0 })
    }
    this.#isOver = true
    for (const [index, cache] of this.caches.entries()) {
      if (cache.status().state !== "ready") this.violations.push(`cache ${index} is ${cache.status().state} at the end`)
      for (const name of [
        "row",
        "late",
        "result",
        "timed",
        "now",
        "many",
        "home",
        "page",
        "alone",
        "flaky",
        "mixed",
      ] as const) {
        for (const id of name === "home" || name === "page" ? [0, 1] : [0, 1, 2, 3]) {
          await this.#soon(`${name}(${id}) at the end`, this.#read(index, name, id, "plain"))
        }
      }
      for (let id = 0; id < ROWS; id += 1) await this.#soon(`get ${id} at the end`, this.#get(index, id))
      if (this.#setup.maxEntries >= 100) await this.#checkThatItCaches(index)
      try {
        checkInvariants(cache)
      } catch (error) {
        this.violations.push((error as Error).message)
      }
    }
    for (const cache of this.caches) await this.#soon("close()", cache.close())
  }

  /** Waits for what nothing keeps from ending. */
  async #soon(label: string, work: Promise<void>): Promise<void> {
    // One finding is enough, and quick to shrink.
    if (this.violations.length > 0) return
    const ended = work.then(() => true)
    for (let round = 0; round < 50; round += 1) {
      if ((await Promise.race([ended, settled()])) === true) return
    }
    this.violations.push(`${label} hangs`)
  }

  /** Nothing disturbs it any more: what was just read is not loaded again. */
  async #checkThatItCaches(index: number): Promise<void> {
    for (const name of ["row", "late", "result", "now", "many", "home", "page"] as const) {
      await this.#soon(`${name}(1)`, this.#read(index, name, 1, "plain"))
      const loads = this.#loads
      await this.#soon(`${name}(1)`, this.#read(index, name, 1, "plain"))
      if (this.#loads !== loads) this.violations.push(`${name}(1) was loaded again although nothing had changed`)
    }
  }
}

type Functions = ReturnType<World["define"]>

type Draft = { -readonly [Field in keyof Fact]: Fact[Field] } & { rows: Record<number, number>; parts: Fact[] }

function isBelow(tag: string, path: string): boolean {
  return path === "" || tag === path || tag.startsWith(`${path}:`)
}

function isCovered(fact: Fact, { kind, path }: Change): boolean {
  switch (kind) {
    case "tag":
    case "expiry":
      return path === "" ? fact.saysNothing !== true : fact.deps.some((dep) => isBelow(dep, path))
    case "key":
    case "key-expiry":
      return fact.key === path
    case "function":
      return fact.table === path
  }
}

function isAround(id: number, transaction: OpenTransaction | undefined): boolean {
  for (let at = transaction; at !== undefined; at = at.parent) if (at.id === id) return true
  return false
}

function isExpected(error: unknown): boolean {
  const { name } = error as Error
  return name === "AbortError" || name === "LoadTimeoutError" || name === "SyncTimeoutError"
}

/** mulberry32: a small generator with a seed, so that a failing run can be seen again. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
