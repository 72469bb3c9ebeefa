import type { CacheOptions } from "zoocache"
import { createCodec } from "zoocache/codec"
import { FaultyLog, LeaseBoard, ManualClock, RemoteMemoryStore } from "zoocache/testing"
import { type Bench, makeCache } from "./caches.js"

export interface FleetNode extends Bench {
  readonly store: RemoteMemoryStore
}

/** Several caches over one log and one store, both behind a network, as the nodes of a fleet have them. */
export class Fleet {
  readonly clock = new ManualClock()
  readonly log = new FaultyLog({ clock: this.clock })
  readonly data = new Map<string, Uint8Array>()
  readonly board = new LeaseBoard({ clock: this.clock })
  readonly codec = createCodec()

  async join(name: string, options: Omit<CacheOptions, "clock"> = {}): Promise<FleetNode> {
    const { board, clock, data, codec } = this
    const store = new RemoteMemoryStore({ board, codec, data, clock })
    const bench = makeCache({ log: this.log.connect(name), store, codec, clock, ...options })
    await bench.cache.ready()
    return { ...bench, store }
  }
}
