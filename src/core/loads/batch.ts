import type { Clock } from "../base/clock.js"
import type { BatchDefinition } from "./definition.js"
import type { Flight } from "./flight.js"
import { needsSlot } from "./frame.js"
import type { LoadRequest } from "./load-request.js"

/** Flights of one function that were asked for within one tick. */
interface Gathering {
  readonly flights: Flight[]
  readonly requests: LoadRequest[]
  /** A load with a slot waits for one of these: the batch must not wait for another slot. */
  isNested: boolean
}

/** A batch that is to be loaded. */
export interface ReadyBatch {
  readonly flights: readonly Flight[]
  readonly requests: readonly LoadRequest[]
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

  add(flight: Flight, request: LoadRequest, batch: BatchDefinition): void {
    let gathering = this.#gatherings.get(batch)
    if (gathering === undefined) {
      gathering = { flights: [], requests: [], isNested: false }
      this.#gatherings.set(batch, gathering)
      this.#clock.onTurnEnd(() => this.#dispatch(batch))
    }
    const its = gathering
    its.flights.push(flight)
    its.requests.push(request)
    flight.beginNow = () => {
      its.isNested = true
    }
    if (flight.isNested) its.isNested = true
  }

  #dispatch(batch: BatchDefinition): void {
    const { flights, requests, isNested } = this.#gatherings.get(batch) as Gathering
    this.#gatherings.delete(batch)
    const live: number[] = []
    flights.forEach((flight, index) => {
      // Another node's value may have come meanwhile.
      if (!flight.isAbandoned && !flight.isLanded) live.push(index)
    })
    for (let start = 0; start < live.length; start += batch.max) {
      const part = live.slice(start, start + batch.max)
      this.#onReady({
        flights: part.map((index) => flights[index] as Flight),
        // A batch belongs to none of its callers: it runs in the context of no request.
        requests: part.map((index) => ({ ...(requests[index] as LoadRequest), frame: undefined, isBackground: true })),
        needsSlot:
          !isNested &&
          part.every((index) => {
            const { frame, definition } = requests[index] as LoadRequest
            return needsSlot(frame, definition.table.trie)
          }),
      })
    }
  }
}
