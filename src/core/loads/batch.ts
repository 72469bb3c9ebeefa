import type { Clock } from "../base/clock.js"
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
      this.#gatherings.set(batch, gathering)
      this.#clock.onTurnEnd(() => this.#dispatch(batch))
    }
    const its = gathering
    flight.become("gathering")
    flight.request = asItIs(flight.request)
    its.flights.push(flight)
    flight.beginNow = () => {
      its.isNested = true
    }
    if (flight.isNested) its.isNested = true
  }

  #dispatch(batch: BatchDefinition): void {
    const { flights, isNested } = this.#gatherings.get(batch) as Gathering
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
