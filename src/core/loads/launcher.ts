import { captureContext } from "../base/contexts.js"
import { asInternalError } from "../base/errors.js"
import { assertStack } from "../base/stack.js"
import { expiryOf } from "../entries/age.js"
import type { Entry } from "../entries/table.js"
import { Batches } from "./batch.js"
import { asItIs, changeOf } from "./deferral.js"
import { Departures, type DeparturesOptions, type Invoke } from "./departures.js"
import { Flight } from "./flight.js"
import { frames, mayNotWait, needsSlot } from "./frame.js"
import type { LeaseContext, LeaseWait } from "./lease-wait.js"
import type { LoadRequest } from "./load-request.js"
import { type Load, type Run, runOf } from "./run.js"
import { breakRing } from "./slot-rings.js"

export interface LauncherOptions extends DeparturesOptions, LeaseContext {}

/** Loads that begin inside each other at once. One more begins when the stack has ended, so that none of them fills it. */
const DEEPEST = 24
/** Callers whose arguments are kept beside those of the first, where these could not be copied. */
const MOST_SPARES = 8

/** Starts loads: makes their flights, and lets them begin when they have a slot, their batch and their lease. */
export class Launcher {
  readonly #options: LauncherOptions
  readonly #departures: Departures
  readonly #batches: Batches
  /** Flights that may load their key for the whole fleet, until they begin. */
  readonly #leaseWaits = new Map<Flight, LeaseWait>()

  constructor(options: LauncherOptions) {
    this.#options = options
    this.#departures = new Departures(options, (flight) => {
      this.#takePlace(flight, undefined)
      this.begin(flight)
    })
    this.#batches = new Batches(options.clock, ({ flights, needsSlot: needs }) => {
      const { batch } = (flights[0] as Flight).request.definition
      this.#enqueue(flights, needs, (begun) => batch?.load(begun.map(({ request }) => request.args)))
    })
  }

  /** How many flights ask for a lease, or wait for another node; for the structural check. */
  get leaseWaits(): number {
    return this.#leaseWaits.size
  }

  /** How many runs have not given their slot or timer back; for the structural check. */
  get departures(): number {
    return this.#departures.size
  }

  /**
   * Makes the flight of a load that is to {@link begin}. Unless it is private, callers may join it from here on. Those behind
   * a flight whose place it takes came before it begins, so its result is theirs: it is the one they wait for.
   */
  prepare(request: LoadRequest): Flight {
    assertStack()
    const replaced = request.isPrivate
      ? undefined
      : this.#options.running.flightOf(request.definition.table, request.id)
    const next = replaced?.next
    const flight = next ?? new Flight(request)
    if (replaced !== undefined && next !== undefined) {
      replaced.next = undefined
      flight.before = undefined
      flight.become("due")
    }
    this.#serve(flight, request)
    if (!request.isPrivate) this.#takePlace(flight, replaced)
    return flight
  }

  /** Makes the flight that follows on one under way, for callers that came after something had changed. */
  follow(before: Flight, request: LoadRequest): Flight {
    assertStack()
    const flight = before.next ?? new Flight(asItIs(request))
    if (before.next === undefined) {
      before.next = flight
      flight.before = before
      flight.inContext = captureContext()
      flight.become("behind")
    }
    this.#serve(flight, request)
    return flight
  }

  /** A caller has come to wait for a flight under way, or for the one behind it: it may have to go on at once. */
  join(flight: Flight, request: LoadRequest): void {
    if (mayNotWait(request.frame)) flight.hurry()
    if (flight.load !== undefined) return
    this.#serve(flight, request)
    if (flight.isNested) flight.beginNow?.()
    // The load of another node began before.
    if (request.isFresh) flight.elsewhere?.hasten()
  }

  /** Lets a flight begin now, or when it has what it needs. */
  begin(flight: Flight): void {
    try {
      if (flight.inContext === undefined) this.#depart(flight)
      else flight.inContext(() => this.#depart(flight))
    } catch (error) {
      this.#cutShort([flight], false, error)
    }
  }

  /** Runs a loader that answers at once, and lands it. Throws what it throws. */
  runSync(request: LoadRequest, parent: Run | undefined): unknown {
    return this.#departures.runSync(request, runOf(request.frame), parent)
  }

  /** A caller has left. When it was the last, the load is told, and nobody may join it any more. */
  abandon(flight: Flight, reason: unknown): void {
    if (!flight.isAbandoned || flight.hasEnded) return
    if (flight.finishes && flight.state === "running" && !this.#options.lifetime.isOver) return
    this.#options.running.removeFlight(flight)
    flight.leaveQueue?.()
    this.#leaseWaits.get(flight)?.abandon()
    this.#leaseWaits.delete(flight)
    if (flight.load === undefined) flight.become("ended")
    else this.#departures.abandon(flight, reason)
  }

  /** Loads that run go on for their callers, and time out as ever; but none keeps the process alive any more. */
  close(): void {
    // From here on a result is stored nowhere, and what others store can't be read.
    for (const [flight, leaseWait] of this.#leaseWaits) {
      this.#options.leasing?.giveBack(flight, "failed", this.#options.outbox)
      // A refresh in the background that no caller has joined counts as its own only waiter.
      if (!leaseWait.isBackground || flight.waiters > 1) {
        leaseWait.callOff()
        continue
      }
      flight.waiters = 0
      this.abandon(flight, undefined)
    }
    this.#departures.close()
  }

  /** A flight is to do for one caller more. */
  #serve(flight: Flight, request: LoadRequest): void {
    const { frame, isFresh } = request
    if (flight.request.mayHaveChanged === true && flight.request !== request) {
      flight.spares ??= []
      if (flight.spares.length < MOST_SPARES) flight.spares.push(asItIs(request))
    }
    flight.needsLoad ||= isFresh
    flight.isNested ||= !needsSlot(frame, this.#options.trie)
    flight.mayNotWait ||= mayNotWait(frame)
  }

  #takePlace(flight: Flight, replaced: Flight | undefined): void {
    this.#options.running.addFlight(flight)
    this.#askForLease(flight, replaced)
  }

  /** The flight goes to its batch, or to the queue. Again when it has waited for another node. */
  #depart(flight: Flight): void {
    const { batch, load } = flight.request.definition
    if (batch !== undefined && !flight.isPrivate) {
      this.#batches.add(flight, batch)
      return
    }
    if (frames.depth >= DEEPEST) {
      this.#rest(flight)
      return
    }
    this.#enqueue([flight], !flight.isNested, () => {
      const { self, args } = flight.request
      return load(self, args, (flight.load as Load).run)
    })
  }

  /** The flight begins when the stack of this moment has ended. */
  #rest(flight: Flight): void {
    flight.become("resting")
    flight.request = asItIs(flight.request)
    const inContext = captureContext()
    queueMicrotask(() => {
      if (!flight.hasEnded && !flight.isAbandoned) inContext(() => this.#depart(flight))
    })
  }

  /** Begins a run for flights that already may be joined, now or when there is a slot. */
  #enqueue(flights: readonly Flight[], isSlotNeeded: boolean, invoke: Invoke): void {
    const { queue } = this.#options
    if (!isSlotNeeded || queue.limit === Number.POSITIVE_INFINITY || queue.used < queue.limit) {
      if (isSlotNeeded) queue.request(() => this.#begin(flights, true, invoke))
      else this.#begin(flights, false, invoke)
      return
    }
    // The load will begin when another one ends, or for another caller, but in the context of its own caller.
    const inContext = captureContext()
    const beginOnSlot = () => inContext(() => this.#begin(flights, true, invoke))
    for (const flight of flights) {
      flight.become("queued")
      flight.request = asItIs(flight.request)
      flight.queue = queue
      // A load that holds a slot would wait for one that waits for a slot: it begins on the slot of its waiter.
      flight.beginNow = () => {
        if (queue.cancel(beginOnSlot)) inContext(() => this.#begin(flights, false, invoke))
      }
      flight.leaveQueue = () => {
        if (flights.every((other) => other.isAbandoned || other.hasEnded)) queue.cancel(beginOnSlot)
        this.#leaveQueue(flight)
      }
    }
    queue.request(beginOnSlot)
    for (const flight of flights) if (flight.queue !== undefined && flight.waitedBy.size > 0) breakRing(flight)
  }

  #leaveQueue(flight: Flight): void {
    flight.beginNow = undefined
    flight.leaveQueue = undefined
    flight.queue = undefined
    if (!flight.isAtRisk) return
    flight.isAtRisk = false
    frames.atRisk -= 1
  }

  #begin(flights: readonly Flight[], holdsSlot: boolean, invoke: Invoke): void {
    try {
      for (const flight of flights) this.#leaveQueue(flight)
      if (flights.some((flight) => flight.hasEnded || this.#leaseWaits.has(flight))) {
        this.#beginOrWait(flights, holdsSlot, invoke).catch((error: unknown) => {
          this.#cutShort(flights, holdsSlot, error)
        })
      } else this.#run(flights, holdsSlot, invoke)
    } catch (error) {
      this.#cutShort(flights, holdsSlot, error)
    }
  }

  #run(flights: readonly Flight[], holdsSlot: boolean, invoke: Invoke): void {
    const due = this.#withSameArguments(flights)
    if (due.length === 0) {
      if (holdsSlot) this.#options.queue.release()
      return
    }
    frames.depth += 1
    try {
      this.#departures.begin(due, holdsSlot, invoke)
    } finally {
      frames.depth -= 1
    }
  }

  /**
   * Ends flights whose begin threw where no user code was running, which a full stack makes any call do. When the turn ends:
   * then there is room for it. A flight that nobody ends would be lost with its key, and with its slot.
   */
  #cutShort(flights: readonly Flight[], holdsSlot: boolean, error: unknown): void {
    this.#options.turn.atEnd(() => {
      let isRun = false
      for (const flight of flights) {
        try {
          this.#leaveQueue(flight)
          this.#leaseWaits.get(flight)?.abandon()
          this.#leaseWaits.delete(flight)
          isRun = this.#departures.fail(flight, error) || isRun
        } catch (fault) {
          this.#options.outbox.fault(asInternalError(fault), flight.key)
        }
      }
      if (holdsSlot && !isRun) this.#options.queue.release()
    })
  }

  /** Flights whose arguments are still those of their key. The callers of others are told. */
  #withSameArguments(flights: readonly Flight[]): readonly Flight[] {
    if (!flights.some(({ request }) => request.mayHaveChanged === true)) return flights
    return flights.filter((flight) => {
      const change = inContextOf(flight, () => changeIn(flight))
      if (change === undefined || flight.hasEnded) return true
      for (const parent of flight.parents) parent.obscure()
      this.#leaseWaits.get(flight)?.abandon()
      this.#leaseWaits.delete(flight)
      this.#departures.end(flight, {
        outcome: { isError: true, value: change },
        isUsableByNext: false,
        lease: "failed",
      })
      return false
    })
  }

  // --- in the fleet ----------------------------------------------------------------------------------------------

  /** A flight whose key no other node should load at the same time is to ask for the lease before it begins. */
  #askForLease(flight: Flight, replaced: Flight | undefined): void {
    const { leasing } = this.#options
    const terms = flight.request.definition.behaviour.lease
    if (terms === undefined || leasing === undefined) return
    flight.request = asItIs(flight.request)
    const leaseWait = leasing.wait({
      context: this.#options,
      terms,
      flight,
      replaced,
      onAgain: () => this.#depart(flight),
      onFound: (entry, value) => this.#landElsewhere(flight, entry, value),
    })
    flight.elsewhere = leaseWait
    this.#leaseWaits.set(flight, leaseWait)
  }

  /** Flights that get their lease, or need none, begin. The others wait, and without a slot. */
  async #beginOrWait(flights: readonly Flight[], holdsSlot: boolean, invoke: Invoke): Promise<void> {
    for (const flight of flights) if (!flight.hasEnded) flight.become("asking")
    const leaseWaits = flights.map((flight) => this.#leaseWaits.get(flight))
    const verdicts = await Promise.all(leaseWaits.map((leaseWait) => leaseWait?.ask() ?? Promise.resolve("load")))
    // Flights that nobody waits for any more, or whose value came while others of a batch were asking, do not begin.
    const begun = flights.filter((flight, index) => {
      return verdicts[index] === "load" && !flight.hasEnded && this.#leaseWaits.get(flight) === leaseWaits[index]
    })
    for (const flight of begun) {
      this.#leaseWaits.get(flight)?.end()
      this.#leaseWaits.delete(flight)
      flight.elsewhere = undefined
    }
    if (begun.length > 0) this.#run(begun, holdsSlot, invoke)
    else if (holdsSlot) this.#options.queue.release()
    leaseWaits.forEach((leaseWait, index) => {
      if (verdicts[index] === "wait") leaseWait?.wait()
    })
  }

  /** Another node has loaded it: everyone who came until now gets that value, since the rule was applied just now. */
  #landElsewhere(flight: Flight, entry: Entry, value: unknown): void {
    const { turn } = this.#options
    this.#leaseWaits.delete(flight)
    for (const parent of flight.parents) parent.inherit(entry.dependencies, expiryOf(entry), turn.now)
    const { leaveQueue } = flight
    this.#departures.end(flight, { outcome: { isError: false, value }, isUsableByNext: true, lease: "stored" })
    leaveQueue?.()
  }
}

/** The error of a flight none of whose callers has the arguments any more that its key was made of. */
function changeIn(flight: Flight): unknown {
  const change = changeOf(flight.request)
  if (change === undefined) return undefined
  const spare = flight.spares?.find((each) => changeOf(each) === undefined)
  if (spare === undefined) return change
  const { self, args, given } = spare
  flight.request = { ...flight.request, self, args, given }
  return undefined
}

function inContextOf<T>({ inContext }: Flight, look: () => T): T {
  return inContext === undefined ? look() : inContext(look)
}
