import { createCodec } from "zoocache/codec"
import { MemoryStore } from "zoocache/testing"

const codec = createCodec()

/** The part of a backend that keeps entries, for tests of its log: it forgets everything. */
export const NO_ENTRIES = {
  codec,
  get store() {
    const store = new MemoryStore({ codec })
    store.put = () => Promise.resolve(true)
    return store
  },
}
