import type { Clock } from "../base/clock.js"
import { captureContext } from "../base/contexts.js"
import type { BatchDefinition } from "./definition.js"
import type { Flight } from "./flight.js"
import { needsSlot } from "./frame.js"
import { asItIs } from "./deferral.js"

/** Flights of one function that were asked for within one tick. */
interface Gathering {
  readonly flights: Flight[]
  /** A load with a slot waits for one of these: the batch must not wait for another slot. */
  isNested: boolean
}

/** A batch that is to be loaded. */
export interface ReadyBatch {
  readonly flights: readonly Flight[]
  readonly needsSlot: boolean
}

/** Gathers the flights of each batched function until the turn of the event loop ends. */
export class Batches {
  readonly #clock: Clock
  readonly #onReady: (batch: ReadyBatch) => void
  readonly #gatherings = new Map<BatchDefinition, Gathering>()

  constructor(clock: Clock, onReady: (batch: ReadyBatch) => void) {
    this.#clock = clock
    this.#onReady = onReady
  }

  add(flight: Flight, batch: BatchDefinition): void {
    let gathering = this.#gatherings.get(batch)
    if (gathering === undefined) {
      gathering = { flights: [], isNested: false }
      // First, as it may find the stack full: a batch that is gathered must be dispatched.
      this.#clock.onTurnEnd(() => this.#dispatch(batch))
      this.#gatherings.set(batch, gathering)
    }
    const its = gathering
    flight.become("gathering")
    flight.request = asItIs(flight.request)
    // A key may depend on the caller's context, which the batch does not run in.
    if (flight.request.mayHaveChanged === true) flight.inContext ??= captureContext()
    its.flights.push(flight)
    flight.beginNow = () => {
      its.isNested = true
    }
    if (flight.isNested) its.isNested = true
  }

  #dispatch(batch: BatchDefinition): void {
    const gathering = this.#gatherings.get(batch)
    if (gathering === undefined) return
    const { flights, isNested } = gathering
    this.#gatherings.delete(batch)
    // Another node's value may have come meanwhile.
    const live = flights.filter((flight) => !flight.isAbandoned && !flight.hasEnded)
    for (let start = 0; start < live.length; start += batch.max) {
      const part = live.slice(start, start + batch.max)
      const needs =
        !isNested && part.every(({ request: { frame, definition } }) => needsSlot(frame, definition.table.trie))
      // A batch belongs to none of its callers: it runs in the context of no request.
      for (const flight of part) flight.request = { ...flight.request, frame: undefined, isBackground: true }
      this.#onReady({ flights: part, needsSlot: needs })
    }
  }
}
