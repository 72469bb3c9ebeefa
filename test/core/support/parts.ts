import { Outbox } from "../../../src/core/base/outbox.js"
import { MANUAL, Table } from "../../../src/core/entries/table.js"
import type { Frame } from "../../../src/core/loads/frame.js"
import { Flight } from "../../../src/core/loads/flight.js"
import type { LoadRequest } from "../../../src/core/loads/load-request.js"
import { Load, Run } from "../../../src/core/loads/run.js"
import { settingsOf } from "../../../src/core/cache/settings-of.js"
import { Scope } from "../../../src/core/tags/scope.js"
import { TagTrie } from "../../../src/core/tags/tag-trie.js"
import type { EntryId } from "../../../src/core/values/id.js"

export const { behaviour } = settingsOf({})
export const epoch = { ordinal: 1, nonce: "n" }
export const intake = { behaviour, sizeOf: undefined, validate: undefined, hasAbsences: false }

export function makeTrie(): TagTrie {
  return new TagTrie({
    epoch,
    random: () => 0.4,
    oldestLoadAsOf: () => Infinity,
    rememberedMarks: 100,
    isShared: false,
  })
}

export function makeTable(trie: TagTrie, functionName = MANUAL): Table {
  return new Table({ trie, prefix: "test", functionName, version: undefined, intake })
}

/** A request for a load of a key. */
export function makeRequest(table: Table, id: EntryId, frame?: Frame): LoadRequest {
  const scope = new Scope(table.trie, "")
  const hooks = { deps: undefined, depsOf: undefined, ttl: undefined, cacheIf: undefined, cacheErrors: undefined }
  return {
    definition: {
      table,
      scope,
      keyScope: scope,
      behaviour,
      hooks: { ...hooks, sizeOf: undefined, validate: undefined },
      load: () => undefined,
    },
    id,
    self: undefined,
    args: [],
    frame,
    isPrivate: false,
    isFresh: false,
    isBackground: false,
    failures: 0,
  }
}

/** A run of one load of a key; at once the flight that brings it. With a parent, that waits for it. */
export function makeFlight(table: Table, id: EntryId, parent?: Frame): Flight & { readonly run: Run } {
  const { trie } = table
  const options = { trie, outbox: new Outbox("test", undefined), scope: new Scope(trie, ""), behaviour, nowMs: 0 }
  const run = new Run({ ...options, parent })
  const flight = new Flight(makeRequest(table, id, parent))
  const start = { stamp: { epoch, asOf: trie.cursor }, seen: trie.stamp, keyVersion: undefined, startedAtMs: 0 }
  flight.become("running")
  flight.load = new Load(table, id, run, start)
  run.loads.push(flight.load)
  run.brings = [flight]
  if (parent?.kind === "run") (parent as Run).waitFor(flight)
  return flight as Flight & { readonly run: Run }
}

/** Invalidates a tag in the next version, as the log would tell. */
export function invalidate(trie: TagTrie, path: string, version = trie.cursor + 1): void {
  const node = trie.acquire(path === "" ? [] : path.split(":"))
  trie.apply(node, false, version, 0, "test", 0)
  trie.release(node)
  trie.moveCursor(version)
  trie.moved()
}
