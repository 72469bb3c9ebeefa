import { afterEach, expect, test } from "vitest"
import { type Cached, createCache } from "zoocache"
import { createCodec } from "zoocache/codec"
import { lmdb } from "zoocache/lmdb"
import { cleanUp, temporaryDirectory } from "./support/backends.js"

afterEach(cleanUp)

class Reference {
  readonly id: number
  constructor(id: number) {
    this.id = id
  }
}

interface User {
  readonly boss: Reference
  readonly secret: bigint
  readonly at: Date
}

test("a decoder that reads another entry meanwhile leaves this one as it is", async () => {
  const read: { user?: Cached<(id: number) => Promise<User>> } = {}
  const codec = createCodec().extend({
    name: "Reference",
    class: Reference,
    encode: ({ id }) => id,
    decode: (id) => {
      // Its value would lie where that of the one that is being read lies.
      if (id > 1) read.user?.peek(id - 1)
      return new Reference(id)
    },
  })
  const userOf = (id: number): User => ({
    boss: new Reference(id),
    secret: BigInt(id) * 1_000_000_007n,
    at: new Date(id * 1e11),
  })
  const backend = lmdb({ path: temporaryDirectory(), codec })
  const cache = createCache({ backend, memory: false })
  try {
    const user = cache.cacheable((id: number) => Promise.resolve(userOf(id)), { name: "user" })
    read.user = user
    await cache.ready()
    for (const id of [1, 2]) await user(id)
    await expect.poll(() => cache.stats().store?.queued).toBe(0)
    expect(await user(2)).toEqual(userOf(2))
    expect(cache.stats()).toMatchObject({ storeHits: expect.any(Number) as number, faults: 0 })
    expect(cache.stats().storeHits).toBeGreaterThan(0)
  } finally {
    await cache.close()
  }
})
