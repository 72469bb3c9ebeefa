import { Candidacy, giveBack, inheritEntry } from "./lease-wait.js"
import type { Timer } from "../base/clock.js"
import { captureContext, enterFrame, type Frame, inRootContext, leaveFrame, runInFrame } from "./frame.js"
import type { Engine } from "../cache/engine.js"
import type { Entry } from "../entries/entry.js"
import { InvalidOptionError, LoadTimeoutError } from "../base/errors.js"
import { channels, type LoadEvent } from "../base/events.js"
import { Flight, hurry, type LateGroup } from "./flight.js"
import type { LeaseEnd } from "../ports/leases.js"
import type { Freshness } from "../tags/freshness.js"
import { Landing } from "./landing.js"
import type { Load } from "./running.js"
import { isStringArray } from "../options/settings.js"
import { mayNotWait, needsSlot, type Order, type Outcome, outcomeOf } from "./request.js"
import { Run } from "./run.js"
import type { TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"

/** One run on its way, with the flights that it is to land. */
interface Departure {
  readonly run: Run
  readonly flights: readonly Flight[]
  readonly orders: readonly Order[]
  timer: Timer | undefined
  holdsSlot: boolean
  readonly isFramed: boolean
}

/** Runs the user's function for the orders that begin together. */
type Invoke = (orders: readonly Order[]) => unknown

/** Starts loads and lands them: runs the user's function, and when it settles decides what is kept and who gets it. */
export class Launcher {
  readonly #engine: Engine
  readonly #landing: Landing

  constructor(engine: Engine) {
    this.#engine = engine
    this.#landing = new Landing(engine)
  }

  /** Starts a load, or queues it for a slot. Unless it is private, it becomes the flight that callers may join. */
  start(order: Order, group?: LateGroup): Flight {
    const { table } = order.recipe
    const flight = new Flight(table, order.id, order.isPrivate)
    let isNested = !needsSlot(order, this.#engine)
    const take = (late: LateGroup) => {
      // Before it begins: its loader may at once call what waits for it, which must be seen as a cycle.
      this.#moveTo(flight, late)
      isNested ||= late.isNested
      flight.mayNotWait ||= late.mayNotWait
    }
    flight.mayNotWait = mayNotWait(order.frame)
    flight.needsLoad = order.isFresh
    if (group !== undefined) take(group)
    if (!order.isPrivate) {
      const replaced = table.flights.get(order.id)
      table.flights.set(order.id, flight)
      if (replaced?.late !== undefined) {
        // They came before this load begins, so its result is theirs whatever becomes of the one they waited for.
        take(replaced.late)
        replaced.late = undefined
      }
      this.#stand(flight, order, replaced)
    }
    flight.isNested = isNested
    this.#depart(flight, order)
    return flight
  }

  #depart(flight: Flight, order: Order): void {
    if (order.recipe.gather !== undefined && !flight.isPrivate) {
      order.recipe.gather(flight, order)
      if (flight.isNested) flight.beginNow?.()
      return
    }
    this.enqueue([flight], [order], !flight.isNested, () =>
      order.recipe.load(order.self, order.args, (flight.load as Load).run),
    )
  }

  /** Runs a loader that answers at once, and lands it. Throws what it throws. */
  runSync(order: Order, parent: Run | undefined): unknown {
    const engine = this.#engine
    const { recipe, id } = order
    const { table } = recipe
    const flight = new Flight(table, id, order.isPrivate)
    if (parent !== undefined) flight.parents.push(parent)
    const run = new Run(engine, recipe, engine.turn.arrive())
    const load = engine.beginLoad(table, id, run)
    flight.load = load
    table.counters.loads += 1
    let loaded: Outcome
    const isFramed = this.#needsFrame(order)
    if (isFramed) enterFrame()
    try {
      load.ownDependencies = staticDependencies(order, engine.trie)
      const value = this.#invoke(order, run, () => recipe.load(order.self, order.args, run))
      if (isThenable(value)) {
        Promise.resolve(value).catch(() => {})
        throw new InvalidOptionError(
          "loader",
          value,
          "`cacheableSync` takes functions that return their value; use `cacheable` for promises",
        )
      }
      loaded = { isError: false, value }
    } catch (error) {
      loaded = { isError: true, value: error }
    } finally {
      run.isSettled = true
      if (isFramed) leaveFrame()
    }
    engine.turn.read()
    const { outcome } = this.#landing.conclude(flight, order, load, loaded)
    if (parent !== undefined) inheritLoad(parent, load)
    engine.endLoad(load)
    run.end()
    this.#publishLoad(load, outcome.isError ? "error" : "value")
    if (outcome.isError) throw outcome.value
    return outcome.value
  }

  /** Starts a run for flights that already may be joined, now or when there is a slot. `invoke` runs the user's function. */
  enqueue(flights: readonly Flight[], orders: readonly Order[], needsSlot: boolean, invoke: Invoke): void {
    const { slots } = this.#engine
    const begin = (holdsSlot: boolean) => {
      for (const flight of flights) {
        flight.beginNow = undefined
        flight.leaveQueue = undefined
      }
      const isCandidate = flights.some((flight) => flight.isLanded || this.#candidacies.has(flight))
      if (isCandidate) void this.#beginOrWait(flights, orders, holdsSlot, invoke)
      else this.#begin(flights, orders, holdsSlot, invoke)
    }
    if (!needsSlot || slots.limit === Number.POSITIVE_INFINITY) {
      begin(false)
      return
    }
    // It will begin when another load ends, or for another caller, but in the context of its own.
    const inContext = captureContext()
    const beginOnSlot = () => inContext(() => begin(true))
    for (const flight of flights) {
      // A load that holds a slot would wait for one that waits for a slot: it begins on the slot of who waits for it.
      flight.beginNow = () => {
        if (slots.cancel(beginOnSlot)) inContext(() => begin(false))
      }
      flight.leaveQueue = () => {
        if (flights.every((other) => isAbandoned(other) || other.isLanded)) slots.cancel(beginOnSlot)
      }
    }
    slots.request(beginOnSlot)
  }

  /** A caller has left. When it was the last, the load is told, and nobody may join it any more. */
  abandon(flight: Flight, reason: unknown): void {
    if (!isAbandoned(flight) || flight.isLanded) return
    const { table, id } = flight
    if (table.flights.get(id) === flight) table.flights.delete(id)
    flight.leaveQueue?.()
    this.#candidacies.get(flight)?.abandon()
    this.#candidacies.delete(flight)
    const run = flight.load?.run
    if (run === undefined || run.isSettled) return
    const departure = this.#departures.get(run)
    if (departure === undefined || !departure.flights.every((other) => isAbandoned(other) || other.isLanded)) return
    this.#settleRun(departure)
    // What its loader still calls is part of no load any more, and may need the slot that it would otherwise hold.
    this.#finish(departure)
    departure.flights.forEach((other, index) =>
      this.#giveUp(other, departure.orders[index] as Order, reason, "aborted"),
    )
    run.end()
    run.abort(reason)
  }

  readonly #departures = new Map<Run, Departure>()

  /** Flights that may load their key for the whole fleet, until they begin. */
  readonly #candidacies = new Map<Flight, Candidacy>()

  /** How many flights ask for a lease, or wait for another node; for the structural check. */
  get candidacies(): number {
    return this.#candidacies.size
  }

  /** How many runs have not given their slot or timer back; for the structural check. */
  get departures(): number {
    return this.#departures.size
  }

  /** Loads that run go on for their callers, and time out as ever; but none keeps the process alive any more. */
  close(): void {
    // What is loaded from here on is stored nowhere, and what others store can't be read.
    for (const [flight, candidacy] of this.#candidacies) {
      giveBack(flight, "failed", this.#engine)
      // A refresh in the background that no caller has joined counts as its own only waiter.
      if (!candidacy.isBackground || flight.waiters > 1) {
        candidacy.callOff()
        continue
      }
      flight.waiters = 0
      this.abandon(flight, undefined)
    }
    for (const { flights } of this.#departures.values())
      for (const flight of flights) giveBack(flight, "failed", this.#engine)
    for (const departure of this.#departures.values()) {
      if (departure.timer === undefined) continue
      departure.timer.cancel()
      const { hardTimeoutMs } = (departure.orders[0] as Order).recipe.behaviour
      const startedAtMs = departure.run.loads[0]?.startedAtMs ?? 0
      const leftMs = Math.max(0, startedAtMs + hardTimeoutMs - this.#engine.turn.read())
      departure.timer = this.#engine.clock.setTimer(() => this.#timeOut(departure, hardTimeoutMs), leftMs, false)
    }
  }

  // --- in the fleet ----------------------------------------------------------------------------------------------

  /** A flight whose key no other node should load at the same time. */
  #stand(flight: Flight, order: Order, replaced: Flight | undefined): void {
    const engine = this.#engine
    const { leases } = engine
    const terms = order.recipe.behaviour.lease
    if (terms === undefined || leases === undefined) return
    const candidacy = new Candidacy({
      engine,
      leases,
      terms,
      flight,
      order,
      replaced,
      onAgain: () => this.#depart(flight, order),
      onFound: (entry, value) => this.#landElsewhere(flight, entry, value),
    })
    this.#candidacies.set(flight, candidacy)
  }

  /** Those that get their lease begin, and those that need none. The others wait, and without a slot. */
  async #beginOrWait(
    flights: readonly Flight[],
    orders: readonly Order[],
    holdsSlot: boolean,
    invoke: Invoke,
  ): Promise<void> {
    const candidacies = flights.map((flight) => this.#candidacies.get(flight))
    const verdicts = await Promise.all(candidacies.map((candidacy) => candidacy?.ask() ?? Promise.resolve("load")))
    // Those that nobody waits for any more, or whose value came while others of a batch were asking, are no candidates now.
    const begins = flights.map((flight, index) => {
      return verdicts[index] === "load" && !flight.isLanded && this.#candidacies.get(flight) === candidacies[index]
    })
    const begun = flights.filter((_, index) => begins[index])
    begun.forEach((flight) => {
      this.#candidacies.get(flight)?.end()
      this.#candidacies.delete(flight)
    })
    if (begun.length > 0) {
      const itsOrders = orders.filter((_, index) => begins[index])
      this.#begin(begun, itsOrders, holdsSlot, invoke)
    } else if (holdsSlot) this.#engine.slots.release()
    candidacies.forEach((candidacy, index) => {
      if (verdicts[index] === "wait") candidacy?.wait()
    })
  }

  /** Another node has loaded it: everyone who came until now gets that value, since the rule was applied just now. */
  #landElsewhere(flight: Flight, entry: Entry, value: unknown): void {
    const { table, id } = flight
    this.#candidacies.delete(flight)
    inheritEntry(flight, entry, this.#engine)
    flight.isLanded = true
    if (table.flights.get(id) === flight) table.flights.delete(id)
    flight.leaveQueue?.()
    settle(flight, { isError: false, value })
  }

  // --- beginning -------------------------------------------------------------------------------------------------

  #begin(flights: readonly Flight[], orders: readonly Order[], holdsSlot: boolean, invoke: Invoke): void {
    const engine = this.#engine
    const [order] = orders as [Order]
    const { recipe } = order
    const { behaviour } = recipe
    const run = new Run(engine, recipe, engine.turn.arrive())
    run.mayNotWait = flights.some((flight) => flight.mayNotWait || flight.lease !== undefined)
    const isFramed = this.#needsFrame(order)
    const departure: Departure = { run, flights, orders, timer: undefined, holdsSlot, isFramed }
    this.#departures.set(run, departure)
    for (const flight of flights) {
      flight.load = engine.beginLoad(flight.table, flight.id, run)
      engine.sequence += 1
      flight.beganAt = engine.sequence
      flight.table.counters.loads += 1
    }
    if (behaviour.hardTimeoutMs !== Number.POSITIVE_INFINITY) {
      departure.timer = engine.clock.setTimer(
        () => this.#timeOut(departure, behaviour.hardTimeoutMs),
        behaviour.hardTimeoutMs,
        !engine.isClosed,
      )
    }
    if (isFramed) enterFrame()
    let result: unknown
    try {
      flights.forEach((flight, index) => {
        const { load } = flight
        if (load !== undefined) load.ownDependencies = staticDependencies(orders[index] as Order, engine.trie)
      })
      result = this.#invoke(order, run, () => invoke(orders))
    } catch (error) {
      // Like any other rejection: it lands when its callers are known.
      result = Promise.reject(error)
    }
    Promise.resolve(result).then(
      (value) => this.#land(departure, (index) => outcomeOf(value, index)),
      (error: unknown) => this.#land(departure, () => ({ isError: true, value: error })),
    )
  }

  /** Without a frame nobody knows whose slot a nested load may use, and a bound on loads could deadlock. */
  #needsFrame({ recipe, frame }: Order): boolean {
    // Inside another load it would otherwise speak for that one.
    return recipe.behaviour.tracking || frame !== undefined || this.#engine.slots.limit !== Number.POSITIVE_INFINITY
  }

  #invoke(order: Order, run: Run, invoke: () => unknown): unknown {
    const engine = this.#engine
    const { behaviour } = order.recipe
    const frame: Frame = { engine, run, transaction: undefined, parent: order.frame }
    const inFrame = this.#needsFrame(order) ? () => runInFrame(frame, invoke) : invoke
    return order.isBackground || behaviour.context === "root" ? inRootContext(inFrame) : inFrame()
  }

  // --- landing ---------------------------------------------------------------------------------------------------

  #land(departure: Departure, outcomeFor: (index: number) => Outcome): void {
    const { run, flights } = departure
    // It had timed out or been given up, and has given back what it held.
    if (run.isSettled) return
    this.#settleRun(departure)
    this.#finish(departure)
    // What others have invalidated meanwhile, and whether this process is still up to date, is known before the rule is
    // applied, and does not change until the result is stored.
    this.#engine.turn.read()
    flights.forEach((flight, index) => {
      if (!flight.isLanded) this.#landFlight(flight, departure.orders[index] as Order, outcomeFor(index))
    })
    run.end()
  }

  #landFlight(flight: Flight, order: Order, loaded: Outcome): void {
    const engine = this.#engine
    const load = flight.load as Load
    const { table, id } = flight
    const { outcome, freshness } = this.#landing.conclude(flight, order, load, loaded)
    const isUsableByLate = freshness === "fresh" && !load.isTainted && this.#landing.isYoungEnough(load)
    for (const parent of flight.parents) inheritLoad(parent, load)
    if (isUsableByLate && flight.late !== undefined) {
      for (const parent of flight.late.parents) inheritLoad(parent, load)
    }
    engine.endLoad(load)
    flight.isLanded = true
    if (table.flights.get(id) === flight) table.flights.delete(id)
    this.#publishLoad(load, outcome.isError ? "error" : "value")
    this.#answer(flight, outcome)
    giveBack(flight, endOf(loaded, freshness), engine)
    if (flight.late !== undefined) this.#answerLate(flight.late, isUsableByLate ? outcome : undefined)
  }

  #answer(flight: Flight, outcome: Outcome): void {
    settle(flight, outcome)
  }

  /** With an outcome it is theirs; without one they all share the next flight, and never one after the other. */
  #answerLate(group: LateGroup, outcome: Outcome | undefined): void {
    if (outcome !== undefined) {
      settle(group, outcome)
      return
    }
    if (group.waiters === 0) return
    const { table, id } = group.flight
    const current = table.flights.get(id)
    const canUse = current !== undefined && (current.load === undefined || current.beganAt > group.lastArrival)
    if (!canUse) {
      group.startNext(group)
      return
    }
    this.#moveTo(current, group)
    if (group.isNested) current.beginNow?.()
    if (group.mayNotWait) hurry(current)
  }

  #moveTo(next: Flight, group: LateGroup): void {
    next.waiters += group.waiters
    next.parents.push(...group.parents)
    group.flight = next
    group.hasMoved = true
    next.outcome.promise.then(
      (value) => settle(group, { isError: false, value }),
      (error: unknown) => settle(group, { isError: true, value: error }),
    )
  }

  // --- other ends ------------------------------------------------------------------------------------------------

  #timeOut(departure: Departure, timeoutMs: number): void {
    departure.timer = undefined
    const { run, flights } = departure
    if (!run.isSettled) {
      const key = run.current.key
      this.#settleRun(departure)
      const error = new LoadTimeoutError(key, timeoutMs)
      flights.forEach((flight, index) => {
        if (flight.isLanded) return
        flight.table.counters.loadTimeouts += 1
        this.#giveUp(flight, departure.orders[index] as Order, error, "timeout")
      })
      run.end()
      run.abort(error)
    }
    this.#finish(departure)
  }

  /** Ends a flight whose loader still runs; its late result will find nobody. */
  #giveUp(flight: Flight, order: Order, error: unknown, outcome: LoadEvent["outcome"]): void {
    const engine = this.#engine
    const load = flight.load as Load
    // It has no value that could show what it depends on.
    if (order.recipe.hooks.depsOf !== undefined) load.isTainted = true
    const isUsableByLate =
      this.#landing.freshnessOf(load) === "fresh" && !load.isTainted && this.#landing.isYoungEnough(load)
    for (const parent of flight.parents) inheritLoad(parent, load)
    engine.endLoad(load)
    flight.isLanded = true
    if (flight.table.flights.get(flight.id) === flight) flight.table.flights.delete(flight.id)
    this.#publishLoad(load, outcome)
    this.#answer(flight, { isError: true, value: error })
    giveBack(flight, "failed", engine)
    if (flight.late !== undefined)
      this.#answerLate(flight.late, isUsableByLate ? { isError: true, value: error } : undefined)
  }

  /** The code inside has said its last word. */
  #settleRun(departure: Departure): void {
    departure.run.isSettled = true
    if (departure.isFramed) leaveFrame()
  }

  /** Gives back the slot and the timer. */
  #finish(departure: Departure): void {
    departure.timer?.cancel()
    departure.timer = undefined
    this.#departures.delete(departure.run)
    if (!departure.holdsSlot) return
    departure.holdsSlot = false
    this.#engine.slots.release()
  }

  #publishLoad(load: Load, outcome: LoadEvent["outcome"]): void {
    if (!channels.load.hasSubscribers) return
    const engine = this.#engine
    channels.load.publish({
      ...engine.event(load.table, load.id),
      durationMs: engine.turn.read() - load.startedAtMs,
      outcome,
    })
  }
}

/** What nodes that wait for a load are told where it has stored nothing. */
function endOf(loaded: Outcome, freshness: Freshness): LeaseEnd {
  return loaded.isError || freshness === "stale" ? "failed" : "unwanted"
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
}

function settle(waited: Flight | LateGroup, outcome: Outcome): void {
  if (!outcome.isError) {
    waited.outcome.resolve(outcome.value)
    return
  }
  // Callers with a promise of their own see the error there. Where one got this promise, an error that it ignores is as
  // unhandled as that of its own loader would be.
  if (!waited.isHandedOut) waited.outcome.promise.catch(() => {})
  waited.outcome.reject(outcome.value)
}

/** A run inherits from a load that it waited for, whether that succeeded or failed. */
function inheritLoad(parent: Run, load: Load): void {
  if (load.run.isTainted || load.isTainted) parent.taint()
  parent.inherit(load.dependencies, Math.min(load.expiryMs, load.run.latestExpiryMs), load.run.oldestMs)
}

function isAbandoned(flight: Flight): boolean {
  return flight.waiters === 0 && (flight.late === undefined || flight.late.waiters === 0)
}

function staticDependencies(order: Order, trie: TagTrie): TagNode[] {
  const { scope, hooks } = order.recipe
  const tags = typeof hooks.deps === "function" ? hooks.deps.apply(order.self, order.args as unknown[]) : hooks.deps
  if (tags !== undefined && !isStringArray(tags)) {
    throw new InvalidOptionError("deps", tags, "it must return an array of tags")
  }
  const nodes = new Set<TagNode>()
  const add = (node: TagNode) => {
    if (nodes.has(node)) trie.release(node)
    else nodes.add(node)
  }
  try {
    const own = scope.acquireOwn()
    if (own !== undefined) add(own)
    for (const tag of tags ?? []) add(scope.acquire(tag))
    return [...nodes]
  } catch (error) {
    for (const node of nodes) trie.release(node)
    throw error
  }
}
