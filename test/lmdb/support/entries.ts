import type { EntryHeader } from "../../../src/core/ports/codec.js"
import type { LocalStore } from "../../../src/core/ports/store.js"
import type { Epoch } from "../../../src/core/tags/version.js"
import { type LmdbBackend, NOWHERE } from "./backends.js"

/** Puts entries of the log's epoch as it is now. */
export async function entriesOf({ log, codec, ...backend }: LmdbBackend) {
  const store = backend.store as LocalStore
  const { epoch, head } = await log.pull(NOWHERE)
  const headerOf = (key: string, parts: Partial<EntryHeader> = {}): EntryHeader => ({
    key,
    epoch,
    asOf: head,
    keyVersion: head,
    storedAtMs: 0,
    expiresAtMs: Number.POSITIVE_INFINITY,
    graceMs: 0,
    idleTtlMs: Number.POSITIVE_INFINITY,
    idleUntilMs: Number.POSITIVE_INFINITY,
    tags: [],
    keys: [],
    ...parts,
  })
  return {
    epoch,
    head,
    headerOf,
    put: (key: string, value: unknown = key, parts: Partial<EntryHeader> = {}) =>
      store.put(key, codec.encode(headerOf(key, parts), value)),
    has: (key: string) => store.get(key) !== undefined,
    header: (key: string) => {
      const bytes = store.get(key)
      return bytes === undefined ? undefined : codec.decodeHeader(bytes)
    },
  }
}

export function rankOf({ epoch, asOf, keyVersion }: { epoch: Epoch; asOf: number; keyVersion: number }) {
  return { epoch, asOf, keyVersion }
}

/** Text that does not compress. */
export function noise(length: number): string {
  let text = ""
  while (text.length < length) text += Math.random().toString(36).slice(2)
  return text.slice(0, length)
}
