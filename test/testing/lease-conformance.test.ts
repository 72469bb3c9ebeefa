import { describe, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { LeaseBoard, leaseConformance, ManualClock, RemoteMemoryStore } from "zoocache/testing"
import type { Leases } from "../../src/core/ports/leases.js"

describe("leases in memory", () => {
  leaseConformance({
    test,
    make: () => {
      const clock = new ManualClock()
      const codec = createCodec()
      const board = new LeaseBoard({ clock })
      const leasesOf = () => new RemoteMemoryStore({ board, codec, clock }).leases as Leases
      return { leases: leasesOf(), other: leasesOf(), pass: async (ms) => clock.advance(ms) }
    },
  })
})
