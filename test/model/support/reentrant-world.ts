import { AsyncLocalStorage } from "node:async_hooks"
import dc from "node:diagnostics_channel"
import { type Cache, createCache, type Token } from "zoocache"
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
import { jsonCodec } from "../../testing/support/json-codec.js"
import {
  type Action,
  CHANNELS,
  type Command,
  type FunctionName,
  type Limit,
  type Program,
  type Site,
} from "./reentrant-program.js"

/**
 * What a loader, or a `set`, says of itself. The moment at which it began stands for the rows that it saw: each
 * invalidation is of rows that had changed just before it.
 */
interface Fact {
  readonly id: number
  readonly table: string
  readonly key: string
  readonly began: number
  readonly deps: readonly string[]
  readonly parts: readonly Fact[]
  readonly transaction: number | undefined
  readonly isSet: boolean
  /** Nothing was found under a key: only what is said of the key changes that. */
  readonly isAbsent?: boolean
}

interface Change {
  readonly kind: "tag" | "expiry" | "key" | "function"
  readonly path: string
  readonly at: number
  /** What began before this may not be served … */
  readonly cut: number
  /** … to reads that start after this. */
  from: number
  /** What the same call stored. */
  readonly fact?: Fact
}

/** One of the caches that are called, and its functions. */
interface Side {
  readonly cache: Cache
  readonly functions: ReturnType<ReentrantWorld["define"]>
}

interface OpenTransaction {
  readonly id: number
  readonly side: Side
  readonly parent: OpenTransaction | undefined
  readonly changes: Change[]
  readonly sets: Fact[]
  /** Its function has ended. From here to its end the cache may take what is loaded as inside or outside. */
  isOver: boolean
  isSettled: boolean
  isDropped: boolean
}

interface Reading {
  readonly label: string
  readonly at: number
  readonly transaction: OpenTransaction | undefined
}

class LoadFailed extends Error {
  readonly fact: Fact
  constructor(fact: Fact) {
    super("the loader failed")
    this.fact = fact
  }
}

class RolledBack extends Error {}
class HookFailed extends Error {}

const TTL_MS = 100
const NOT_YET = Number.POSITIVE_INFINITY

/** What user code knows of the transaction it runs in. One for all worlds: each slows every promise down. */
const context = new AsyncLocalStorage<OpenTransaction>()
let worlds = 0

const tagOf = (id: number) => `row:${id}`

/**
 * A cache whose hooks and listeners call it back, and somebody who remembers what was promised: no read gets a value whose
 * load began before an invalidation that was called before the read. Nothing here knows how the cache does it.
 */
export class ReentrantWorld {
  readonly trace: string[] = []
  readonly violations: string[] = []
  readonly #program: Program
  readonly #isAllowed: Limit
  /** User code that is running, the outermost first. */
  readonly #sites: Site[] = []
  readonly #clock = new ManualClock()
  readonly #commonLog = new InProcessLog({ clock: this.#clock, nonce: "common", maxTags: 1000 })
  readonly #sides: readonly [Side, ...Side[]]
  readonly #name = `reentrant-${++worlds}`
  readonly #random: () => number
  /** For each site, the reactions that have not happened. */
  readonly #waiting = new Map<Site, { skip: number; readonly actions: readonly Action[] }[]>()
  readonly #keys = new Map<string, string>()
  readonly #changes: Change[] = []
  readonly #keyBegan = new Map<number, number>()
  /** Values that were not set after all. */
  readonly #refused = new Set<number>()
  readonly #open = new Set<string>()
  readonly #endListening: (() => void)[] = []
  #sequence = 0
  #facts = 0
  #transactions = 0
  #calls = 0
  #loads = 0
  /** Neither reactions nor failures any more. */
  #isQuiet = true

  constructor(program: Program, isAllowed: Limit) {
    this.#program = program
    this.#isAllowed = isAllowed
    const { setup } = program
    this.#random = randomFrom(setup.seed)
    const first = this.#makeSide()
    this.#sides = setup.log === "both" ? [first, this.#makeSide()] : [first]
    for (const [name, fn] of Object.entries(first.functions)) {
      for (const id of [0, 1]) this.#keys.set(`${name} ${id}`, fn.keyOf(id))
    }
    for (const { site, skip, actions } of program.reactions) {
      const waiting = this.#waiting.get(site) ?? []
      waiting.push({ skip, actions })
      this.#waiting.set(site, waiting)
    }
    for (const channel of CHANNELS) {
      const listener = (event: unknown) => {
        if ((event as { cache: string }).cache === this.#name) this.#at(`zoocache:${channel}`)
      }
      dc.subscribe(`zoocache:${channel}`, listener)
      this.#endListening.push(() => dc.unsubscribe(`zoocache:${channel}`, listener))
    }
    const onUnhandled = (error: unknown) => this.violations.push(`an unhandled rejection: ${String(error)}`)
    process.on("unhandledRejection", onUnhandled)
    this.#endListening.push(() => process.off("unhandledRejection", onUnhandled))
  }

  #makeSide(): Side {
    const cache = this.#makeCache()
    return { cache, functions: this.define(cache) }
  }

  #makeCache(): Cache {
    const { setup } = this.#program
    const board = new LeaseBoard({ clock: this.#clock })
    return createCache({
      prefix: this.#name,
      clock: this.#clock,
      random: this.#random,
      memory: { maxEntries: setup.maxEntries, maxBytes: 1e6, sizeOf: (value) => this.#measure(value) },
      staleness: { bound: 2000 },
      onFault: ({ error }) => {
        const isExpected = [HookFailed, LoadFailed].some((each) => error.cause instanceof each)
        // A hook of one cache has read from the other.
        const isForeign = setup.log === "both" && error.code === "ERR_ZOOCACHE_FOREIGN_CACHE"
        // A hook can wait for nothing that it calls.
        const isUnawaited = error.code === "ERR_ZOOCACHE_UNAWAITED_CALL"
        if (!isExpected && !isForeign && !isUnawaited)
          this.violations.push(`an unexpected fault: ${error.code} ${error.message}`)
        this.#at("onFault")
      },
      ...(setup.log === "remote" ? { log: new FaultyLog({ clock: this.#clock }).connect("here") } : {}),
      ...(setup.log === "both" ? { log: this.#commonLog } : {}),
      ...(setup.store === "none" ? {} : { codec: jsonCodec }),
      ...(setup.store === "local" ? { store: new MemoryStore({ codec: jsonCodec }) } : {}),
      ...(setup.store === "leases"
        ? {
            store: new RemoteMemoryStore({ board, codec: jsonCodec, data: new Map(), clock: this.#clock }),
            singleflight: { scope: "cluster", lease: 500 } as const,
          }
        : {}),
    })
  }

  /** Who is called next: inside a transaction its own cache. */
  #side(): Side {
    const live = this.#live()
    if (live !== undefined) return live.side
    const [first, second] = this.#sides
    return second === undefined || this.#random() < 0.5 ? first : second
  }

  // --- the functions ---------------------------------------------------------------------------------------------

  define(cache: Cache) {
    const validate = () => {
      this.#at("validate", true)
      return true
    }
    const deps = (id: number) => {
      this.#at("deps")
      return [tagOf(id)]
    }
    const plain = cache.cacheable((id: number) => this.#load("plain", id, [tagOf(id)]), {
      name: "plain",
      deps,
      validate,
      key: (id) => {
        this.#at("key")
        return id
      },
      ttl: () => {
        this.#at("ttl", true)
        return "1h"
      },
      cacheIf: () => {
        this.#at("cacheIf", true)
        return true
      },
      sizeOf: (fact) => this.#measure(fact),
    })
    const after = cache.cacheable((id: number) => this.#load("after", id, [tagOf(id), "page"]), {
      name: "after",
      validate,
      depsOf: (_fact, id) => {
        this.#at("depsOf", true)
        return [tagOf(id), "page"]
      },
    })
    const timed = cache.cacheable((id: number) => this.#load("timed", id, [tagOf(id)]), {
      name: "timed",
      deps,
      ttl: TTL_MS,
      grace: 400,
      earlyRefresh: 0.5,
    })
    const flaky = cache.cacheable(
      async (id: number) => {
        const fact = await this.#load("flaky", id, [tagOf(id)])
        if (!this.#isQuiet && this.#random() < 0.6) throw new LoadFailed(fact)
        return fact
      },
      {
        name: "flaky",
        deps,
        cacheErrors: () => {
          this.#at("cacheErrors", true)
          return 200
        },
      },
    )
    const outer = cache.cacheable((id: number) => this.#loadOuter({ cache, plain, after }, id), {
      name: "outer",
      deps: ["page"],
    })
    const many = cache.cacheableMany(
      async (ids: readonly number[]) => Promise.all(ids.map((id) => this.#load("many", id, [tagOf(id)]))),
      { name: "many", deps, maxBatch: 2 },
    )
    const loadNow = (id: number): Fact => this.#begin("now", id, [tagOf(id)])
    // What is behind a network has to be waited for.
    const now =
      this.#program.setup.store === "leases"
        ? cache.cacheable(loadNow, { name: "now", deps })
        : cache.cacheableSync(loadNow, { name: "now", deps })
    return { plain, after, timed, flaky, outer, many, now }
  }

  #begin(table: string, id: number, deps: readonly string[]): Fact {
    this.#loads += 1
    const live = this.#live()
    return {
      id: ++this.#facts,
      table,
      key: table === "" ? `k${id}` : (this.#keys.get(`${table} ${id}`) as string),
      began: ++this.#sequence,
      deps,
      parts: [],
      transaction: live?.isOver === false ? live.id : undefined,
      isSet: false,
    }
  }

  async #load(table: string, id: number, deps: readonly string[]): Promise<Fact> {
    const fact = this.#begin(table, id, deps)
    await this.#pause()
    return fact
  }

  async #loadOuter(
    {
      cache,
      plain,
      after,
    }: { cache: Cache; plain: (id: number) => Promise<Fact>; after: (id: number) => Promise<Fact> },
    id: number,
  ): Promise<Fact> {
    const fact = this.#begin("outer", id, ["page"])
    const parts: Fact[] = []
    await this.#pause()
    for (const read of [() => plain(id), () => after(1 - id)]) {
      const reading = this.#reading(`a part of ${fact.key}`)
      const part = await read()
      this.#verify(part, reading)
      parts.push(part)
    }
    const before = ++this.#sequence
    const reading = this.#reading(`get k${id} in ${fact.key}`)
    const found = await cache.get<Fact>(`k${id}`)
    if (found !== undefined) this.#verify(found, reading)
    parts.push(found ?? { ...this.#begin("", id, []), began: before, isAbsent: true })
    return { ...fact, parts }
  }

  async #pause(): Promise<void> {
    if (this.#isQuiet) return
    const turns = Math.floor(this.#random() * 5)
    if (turns === 4) await settled()
    else for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
  }

  #measure(value: unknown): number {
    // An error that is kept has no value.
    const { id = 0, isSet = false, transaction } = (value ?? {}) as Partial<Fact>
    try {
      this.#at("sizeOf", true)
    } catch (error) {
      if (isSet) this.#refused.add(id)
      throw error
    }
    // What a value that is set says of its key, it says when it is appended: after all questions about it.
    if (isSet && transaction === undefined) this.#keyBegan.set(id, ++this.#sequence)
    return 10
  }

  // --- what is done ----------------------------------------------------------------------------------------------

  /** User code is called. `mayThrow`: a failure of it is a fault, and fails nobody. */
  #at(site: Site, mayThrow = false): void {
    if (this.#isQuiet) return
    const next = this.#waiting.get(site)?.find((reaction) => reaction.skip-- <= 0)
    if (next === undefined) return
    const waiting = this.#waiting.get(site)
    waiting?.splice(waiting.indexOf(next), 1)
    this.#sites.push(site)
    try {
      for (const action of next.actions) {
        if (action.do === "throw" && !mayThrow) continue
        if (this.#sites.every((each) => this.#isAllowed(each, action))) this.#perform(action, ` in ${site}`)
      }
    } finally {
      this.#sites.pop()
    }
  }

  async run(): Promise<void> {
    try {
      for (const { cache } of this.#sides) await cache.ready()
      this.#isQuiet = false
      for (const command of this.#program.commands) {
        this.#command(command)
        if (command.after === "micro") for (let turn = 0; turn < 3; turn += 1) await Promise.resolve()
        // A clock that moves on while nothing else can would be a log that does not answer.
        if (command.after === "settle" || command.do === "advance") await settled()
        if (this.violations.length > 0) break
      }
      await this.#finish()
    } finally {
      for (const end of this.#endListening) end()
    }
    if (this.violations.length > 0) throw new Error(`${this.violations.join("\n")}\n${this.trace.join("\n")}`)
  }

  #command(command: Command): void {
    if (command.do === "advance") {
      this.trace.push(`#${this.#sequence} advance ${command.ms}`)
      this.#clock.advance(command.ms)
    } else this.#perform(command, "")
  }

  #perform(action: Action, where: string): void {
    const side = this.#side()
    const { cache, functions } = side
    const { after: _after, ...said } = action as Command
    this.trace.push(`#${this.#sequence + 1} ${JSON.stringify(said)}${where}`)
    switch (action.do) {
      case "invalidate":
        return this.#tell("tag", action.path, () => cache.invalidate(action.path))
      case "expire":
        return this.#tell("expiry", action.path, () => cache.expire(action.path))
      case "clear":
        return this.#tell("tag", "", () => cache.clear())
      case "clearFunction":
        return this.#tell("function", action.name, () => functions[action.name].clear())
      case "delete":
        return this.#delete(side, action.name, action.id)
      case "set":
        return this.#set(cache, action.id)
      case "transaction":
        return this.#track("a transaction", this.#transaction(side, action.actions, action.commits))
      case "read":
        return this.#read(functions, action.name, action.id, action.how, where)
      case "get":
      case "getOrLoad":
        return this.#get(cache, action.id, action.do === "getOrLoad", where)
      case "getMany": {
        const reading = this.#reading(`getMany${where}`)
        const found = cache.getMany<Fact>(["k0", "k1"]).then((facts) => {
          for (const fact of facts.values()) this.#verify(fact, reading)
        })
        return this.#track(reading.label, found)
      }
      case "prune":
        cache.prune()
        return
      case "throw":
        throw new HookFailed(where)
    }
  }

  #tell(kind: Change["kind"], path: string, call: () => Promise<Token | undefined>): void {
    this.#change(kind, path)
    this.#track(`${kind} ${path}`, call())
  }

  #change(kind: Change["kind"], path: string, from?: number, fact?: Fact): Change {
    const at = ++this.#sequence
    const change: Change = { kind, path, at, cut: at, from: from ?? at, ...(fact === undefined ? {} : { fact }) }
    ;(this.#live()?.changes ?? this.#changes).push(change)
    return change
  }

  /** The transaction that the running code is part of. */
  #live(): OpenTransaction | undefined {
    let at = context.getStore()
    while (at?.isSettled === true) at = at.parent
    return at
  }

  #delete({ cache, functions }: Side, name: FunctionName | "key", id: number): void {
    const key = name === "key" ? `k${id}` : (this.#keys.get(`${name} ${id}`) as string)
    // `key` is asked before anything is said of the key, and may read it.
    const change = this.#change("key", key, NOT_YET)
    this.#track(`key ${key}`, name === "key" ? cache.delete(key) : functions[name].delete(id))
    change.from = ++this.#sequence
  }

  #set(cache: Cache, id: number): void {
    const key = `k${id}`
    const live = this.#live()
    const fact: Fact = { ...this.#begin("", id, [tagOf(id)]), transaction: live?.id, isSet: true }
    // `sizeOf` is asked before anything is said of the key, and what it does comes first.
    const change = this.#change("key", key, NOT_YET, fact)
    this.#keyBegan.set(fact.id, live === undefined ? change.cut : NOT_YET)
    live?.sets.push(fact)
    this.#track(`set ${key}`, cache.set(key, fact, { deps: [tagOf(id)] }))
    change.from = ++this.#sequence
  }

  #reading(label: string): Reading {
    return { label, at: ++this.#sequence, transaction: this.#live() }
  }

  #read(
    functions: Side["functions"],
    name: FunctionName,
    id: number,
    how: "plain" | "refresh" | "peek",
    where: string,
  ): void {
    const reading = this.#reading(`${name}(${id}) ${how}${where}`)
    const { [name]: fn, many, now } = functions
    const read = async (): Promise<Fact | null | undefined> => {
      if (how === "peek") return fn.peek(id)
      if (how === "refresh") return fn.refresh(id)
      if (name === "many") return many.one(id)
      return name === "now" ? now(id) : functions[name](id)
    }
    this.#track(reading.label, this.#outcome(read(), reading, how === "refresh"))
  }

  #get(cache: Cache, id: number, loads: boolean, where: string): void {
    const reading = this.#reading(`get k${id}${where}`)
    const read = loads
      ? cache.getOrLoad(`k${id}`, () => this.#load("", id, [tagOf(id)]), { deps: [tagOf(id)] })
      : cache.get<Fact>(`k${id}`)
    this.#track(reading.label, this.#outcome(read, reading, false))
  }

  async #outcome(read: Promise<Fact | null | undefined>, reading: Reading, isFresh: boolean): Promise<void> {
    try {
      const fact = await read
      if (fact === undefined || fact === null) return
      this.trace.push(`#${this.#sequence} ${reading.label} of #${reading.at} got what began at ${fact.began}`)
      this.#verify(fact, reading)
      if (isFresh && fact.began < reading.at) this.violations.push(`${reading.label} joined what began before it`)
    } catch (error) {
      if (error instanceof LoadFailed) this.#verify(error.fact, reading)
      // Hooks that read what they are asked about, for a load that waits for them.
      else if ((error as Error).name !== "LoadCycleError") throw error
    }
  }

  async #transaction(side: Side, actions: readonly Action[], commits: boolean): Promise<void> {
    const parent = this.#live()
    const open: OpenTransaction = {
      id: ++this.#transactions,
      side,
      parent,
      changes: [],
      sets: [],
      isOver: false,
      isSettled: false,
      isDropped: false,
    }
    let cut = 0
    try {
      await side.cache.transaction(() =>
        context.run(open, async () => {
          for (const action of actions) {
            await this.#pause()
            this.#perform(action, ` in transaction ${open.id}`)
          }
          await this.#pause()
          open.isOver = true
          if (!commits) throw new RolledBack()
          cut = ++this.#sequence
        }),
      )
    } catch (error) {
      open.isSettled = true
      open.isDropped = true
      if (error instanceof RolledBack) return
      throw error
    }
    open.isSettled = true
    this.trace.push(`#${this.#sequence} transaction ${open.id} is over`)
    if (parent?.isSettled === false) {
      parent.changes.push(...open.changes)
      parent.sets.push(...open.sets)
      return
    }
    const from = ++this.#sequence
    for (const fact of open.sets) this.#keyBegan.set(fact.id, from)
    for (const change of open.changes) this.#changes.push({ ...change, cut: Math.max(cut, change.at), from })
  }

  #track(label: string, work: Promise<unknown>): void {
    const name = `${label} (${++this.#calls})`
    this.#open.add(name)
    void work
      .catch((error: unknown) => {
        const isExpected = error instanceof HookFailed || (error as { cause?: unknown }).cause instanceof HookFailed
        if (!isExpected) this.violations.push(`${label} failed with ${String((error as Error)?.stack ?? error)}`)
      })
      .then(() => this.#open.delete(name))
  }

  // --- what was promised -----------------------------------------------------------------------------------------

  #verify(fact: Fact, reading: Reading): void {
    const changes = this.#changes.filter((change) => change.from < reading.at)
    for (let at = reading.transaction; at !== undefined; at = at.parent) {
      // A read that outlives its transaction may have found what was dropped with it.
      if (!at.isDropped) changes.push(...at.changes.filter((change) => change.from < reading.at))
    }
    this.#check(fact, fact, changes, reading)
  }

  #check(fact: Fact, whole: Fact, changes: readonly Change[], reading: Reading): void {
    if (fact.transaction !== undefined && !fact.isSet && !isAround(fact.transaction, reading.transaction)) {
      this.#violated(`it was made inside transaction ${fact.transaction}`, fact, whole, reading)
    }
    const isOwnWrite = fact.isSet && fact.transaction !== undefined && isAround(fact.transaction, reading.transaction)
    for (const change of changes) {
      if (isOwnWrite && this.#changes.includes(change)) continue
      if (change.fact !== undefined && this.#refused.has(change.fact.id)) continue
      if (change.fact?.id === fact.id || !isCovered(fact, change)) continue
      // It may be served in grace.
      if (change.kind === "expiry" && fact.table === "timed") continue
      const isKey = change.kind === "key" || change.kind === "function"
      const began = isKey ? (this.#keyBegan.get(fact.id) ?? fact.began) : fact.began
      if (began <= change.cut) {
        this.#violated(`${change.kind} "${change.path}" was changed at #${change.cut}`, fact, whole, reading)
      }
    }
    for (const part of fact.parts) this.#check(part, whole, changes, reading)
  }

  #violated(why: string, fact: Fact, whole: Fact, { label, at }: Reading): void {
    const of = fact.id === whole.id ? "" : `, as part of ${whole.key}, which began at #${whole.began}`
    this.violations.push(`${label}, called at #${at}, got ${fact.key}, which began at #${fact.began}${of}: ${why}`)
  }

  // --- the end ---------------------------------------------------------------------------------------------------

  async #finish(): Promise<void> {
    const caches = this.#sides.map(({ cache }) => cache)
    for (let round = 0; round < 60; round += 1) {
      await settled()
      if (this.#open.size === 0 && caches.every((cache) => cache.status().pending === 0)) break
      if (round > 10) this.#clock.advance(round < 30 ? 200 : 2000)
    }
    if (this.#open.size > 0) {
      this.violations.push(`it hangs: ${[...this.#open].join("; ")}`)
      return
    }
    if (this.violations.length > 0) return
    this.#isQuiet = true
    await settled()
    const areReady = () => caches.every((cache) => cache.status().state === "ready")
    for (let round = 0; round < 50 && !areReady(); round += 1) {
      this.#clock.advance(100)
      await settled()
    }
    if (!areReady()) this.violations.push(`it is ${caches.map((cache) => cache.status().state).join(", ")} at the end`)
    for (const side of this.#sides) await this.#readAtTheEnd(side)
    for (const cache of caches) {
      try {
        checkInvariants(cache)
      } catch (error) {
        this.violations.push((error as Error).message)
      }
      await cache.close()
    }
  }

  /** Nothing disturbs a cache any more: what was just read is not loaded again. What is as old as its ttl may be. */
  async #readAtTheEnd({ cache, functions }: Side): Promise<void> {
    const names = Object.keys(functions) as FunctionName[]
    for (const name of names) for (const id of [0, 1]) this.#read(functions, name, id, "plain", " at the end")
    for (const id of [0, 1]) this.#get(cache, id, false, " at the end")
    for (let round = 0; round < 20 && (round === 0 || this.#open.size > 0); round += 1) await settled()
    if (this.#open.size > 0) this.violations.push(`it hangs: ${[...this.#open].join("; ")}`)
    const loads = this.#loads
    if (this.#program.setup.maxEntries < 100 || this.violations.length > 0) return
    for (const name of names) if (name !== "timed") this.#read(functions, name, 1, "plain", " at the end")
    await settled()
    if (this.#loads !== loads) this.violations.push(`something was loaded again although nothing had changed`)
  }
}

function isBelow(tag: string, path: string): boolean {
  return path === "" || tag === path || tag.startsWith(`${path}:`)
}

function isCovered(fact: Fact, { kind, path }: Change): boolean {
  switch (kind) {
    case "tag":
    case "expiry":
      return path === "" ? fact.isAbsent !== true : fact.deps.some((dep) => isBelow(dep, path))
    case "key":
      return fact.key === path
    case "function":
      return fact.table === path
  }
}

function isAround(id: number, transaction: OpenTransaction | undefined): boolean {
  for (let at = transaction; at !== undefined; at = at.parent) if (at.id === id) return true
  return false
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
