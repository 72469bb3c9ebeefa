import { assert } from "../base/assert.js"
import { captureContext } from "../base/contexts.js"
import type { Entry } from "../entries/table.js"
import { Batches } from "./batch.js"
import { Departures, type DeparturesOptions, type Invoke } from "./departures.js"
import { Flight, type LateGroup, settle } from "./flight.js"
import { mayNotWait, needsSlot } from "./frame.js"
import type { LeaseContext, LeaseWait } from "./lease-wait.js"
import type { LoadRequest } from "./load-request.js"
import type { Load, Run } from "./run.js"

export interface LauncherOptions extends DeparturesOptions, LeaseContext {}

/** Starts loads: makes their flights, and lets them begin when they have a slot, their batch and their lease. */
export class Launcher {
  readonly #options: LauncherOptions
  readonly #departures: Departures
  readonly #batches: Batches
  /** Flights that may load their key for the whole fleet, until they begin. */
  readonly #leaseWaits = new Map<Flight, LeaseWait>()

  constructor(options: LauncherOptions) {
    this.#options = options
    this.#departures = new Departures(options)
    this.#batches = new Batches(options.clock, ({ flights, requests, needsSlot: needs }) => {
      const { batch } = (requests[0] as LoadRequest).definition
      this.#enqueue(flights, requests, needs, (begun) => batch?.load(begun.map(({ args }) => args)))
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

  /** Starts a load, or queues it for a slot. Unless it is private, it becomes the flight that callers may join. */
  start(request: LoadRequest, group?: LateGroup): Flight {
    const { running, trie } = this.#options
    const flight = new Flight(request.definition.table, request.id, request.isPrivate)
    let isNested = !needsSlot(request.frame, trie)
    const take = (late: LateGroup) => {
      // Before it begins: its loader may at once call what waits for it, which must be seen as a cycle.
      late.moveTo(flight)
      isNested ||= late.isNested
      flight.mayNotWait ||= late.mayNotWait
    }
    flight.mayNotWait = mayNotWait(request.frame)
    flight.needsLoad = request.isFresh
    if (group !== undefined) take(group)
    if (!request.isPrivate) {
      const replaced = running.addFlight(flight)
      if (replaced?.late !== undefined) {
        // They came before this load begins, so its result is theirs whatever becomes of the one they waited for.
        take(replaced.late)
        replaced.late = undefined
      }
      this.#askForLease(flight, request, replaced)
    }
    flight.isNested = isNested
    this.#depart(flight, request)
    return flight
  }

  /** Runs a loader that answers at once, and lands it. Throws what it throws. */
  runSync(request: LoadRequest, parent: Run | undefined): unknown {
    return this.#departures.runSync(request, parent)
  }

  /** A caller has left. When it was the last, the load is told, and nobody may join it any more. */
  abandon(flight: Flight, reason: unknown): void {
    if (!flight.isAbandoned || flight.isLanded) return
    this.#options.running.removeFlight(flight)
    flight.leaveQueue?.()
    this.#leaseWaits.get(flight)?.abandon()
    this.#leaseWaits.delete(flight)
    this.#departures.abandon(flight, reason)
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

  /** The flight goes to its batch, or to the queue. Again when it has waited for another node. */
  #depart(flight: Flight, request: LoadRequest): void {
    const { batch, load } = request.definition
    if (batch !== undefined && !flight.isPrivate) {
      this.#batches.add(flight, request, batch)
      return
    }
    this.#enqueue([flight], [request], !flight.isNested, () =>
      load(request.self, request.args, (flight.load as Load).run),
    )
  }

  /** Begins a run for flights that already may be joined, now or when there is a slot. */
  #enqueue(flights: readonly Flight[], requests: readonly LoadRequest[], isSlotNeeded: boolean, invoke: Invoke): void {
    const { queue } = this.#options
    const begin = (holdsSlot: boolean) => {
      for (const flight of flights) {
        flight.beginNow = undefined
        flight.leaveQueue = undefined
      }
      const asksForLease = flights.some((flight) => flight.isLanded || this.#leaseWaits.has(flight))
      if (asksForLease) void this.#beginOrWait(flights, requests, holdsSlot, invoke)
      else this.#departures.begin(flights, requests, holdsSlot, invoke)
    }
    if (!isSlotNeeded || queue.limit === Number.POSITIVE_INFINITY) {
      begin(false)
      return
    }
    // The load will begin when another one ends, or for another caller, but in the context of its own caller.
    const inContext = captureContext()
    const beginOnSlot = () => inContext(() => begin(true))
    for (const flight of flights) {
      // A load that holds a slot would wait for one that waits for a slot: it begins on the slot of its waiter.
      flight.beginNow = () => {
        if (queue.cancel(beginOnSlot)) inContext(() => begin(false))
      }
      flight.leaveQueue = () => {
        if (flights.every((other) => other.isAbandoned || other.isLanded)) queue.cancel(beginOnSlot)
      }
    }
    queue.request(beginOnSlot)
  }

  // --- in the fleet ----------------------------------------------------------------------------------------------

  /** A flight whose key no other node should load at the same time is to ask for the lease before it begins. */
  #askForLease(flight: Flight, request: LoadRequest, replaced: Flight | undefined): void {
    const { leasing } = this.#options
    const terms = request.definition.behaviour.lease
    if (terms === undefined || leasing === undefined) return
    const leaseWait = leasing.wait({
      context: this.#options,
      terms,
      flight,
      request,
      replaced,
      onAgain: () => this.#depart(flight, request),
      onFound: (entry, value) => this.#landElsewhere(flight, entry, value),
    })
    this.#leaseWaits.set(flight, leaseWait)
  }

  /** Flights that get their lease, or need none, begin. The others wait, and without a slot. */
  async #beginOrWait(
    flights: readonly Flight[],
    requests: readonly LoadRequest[],
    holdsSlot: boolean,
    invoke: Invoke,
  ): Promise<void> {
    const leaseWaits = flights.map((flight) => this.#leaseWaits.get(flight))
    const verdicts = await Promise.all(leaseWaits.map((leaseWait) => leaseWait?.ask() ?? Promise.resolve("load")))
    // Flights that nobody waits for any more, or whose value came while others of a batch were asking, do not begin.
    const begins = flights.map((flight, index) => {
      return verdicts[index] === "load" && !flight.isLanded && this.#leaseWaits.get(flight) === leaseWaits[index]
    })
    const begun = flights.filter((_, index) => begins[index])
    for (const flight of begun) {
      this.#leaseWaits.get(flight)?.end()
      this.#leaseWaits.delete(flight)
    }
    if (begun.length > 0) {
      const itsRequests = requests.filter((_, index) => begins[index])
      this.#departures.begin(begun, itsRequests, holdsSlot, invoke)
    } else if (holdsSlot) this.#options.queue.release()
    leaseWaits.forEach((leaseWait, index) => {
      if (verdicts[index] === "wait") leaseWait?.wait()
    })
  }

  /** Another node has loaded it: everyone who came until now gets that value, since the rule was applied just now. */
  #landElsewhere(flight: Flight, entry: Entry, value: unknown): void {
    const { running, turn } = this.#options
    assert(!flight.isLanded, "a flight has ended twice")
    this.#leaseWaits.delete(flight)
    this.#options.leasing?.inheritEntry(flight, entry, turn)
    flight.isLanded = true
    running.removeFlight(flight)
    flight.leaveQueue?.()
    settle(flight, { isError: false, value })
  }
}
