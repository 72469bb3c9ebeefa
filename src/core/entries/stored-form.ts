import { type Aged, expiryOf } from "./age.js"
import type { EntryCodec, EntryHeader } from "../ports/codec.js"
import type { Engine } from "../cache/engine.js"
import { type Dependencies, nodesOf } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import type { Table } from "./table.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"

/** What is to be written of a value, besides the value. */
export interface Written {
  readonly table: Table
  readonly id: EntryId
  readonly dependencies: Dependencies
  /** Epoch and `asOf` of its load, or the position it was set with. */
  readonly stamp: Stamp
  readonly keyVersion: Version | undefined
  readonly aged: Aged
}

/** The bytes of a value that is to be stored. Throws what is wrong with the value. */
export function encodeEntry(engine: Engine, codec: EntryCodec, value: unknown, written: Written): Uint8Array {
  const { table, id, dependencies, stamp, keyVersion, aged } = written
  const { clock, turn, trie } = engine
  const wallMs = clock.wall()
  const { aging } = aged
  const expiresAtMs = aging === null ? expiryOf(aged) : aging.expiresAtMs
  const tags: string[] = []
  const keys: string[] = []
  for (const node of nodesOf(dependencies)) addPath(node, trie.root, trie.keyRoot, tags, keys)
  const idleTtlMs = aging?.idleTtlMs ?? Number.POSITIVE_INFINITY
  const header: EntryHeader = {
    key: table.keyOf(id),
    epoch: stamp.epoch,
    asOf: stamp.asOf,
    keyVersion: keyVersion === undefined || keyVersion === Number.POSITIVE_INFINITY ? stamp.asOf : keyVersion,
    storedAtMs: wallMs,
    expiresAtMs: wallMs + (expiresAtMs - turn.now),
    graceMs: aging?.graceMs ?? 0,
    idleTtlMs,
    idleUntilMs: wallMs + idleTtlMs,
    tags,
    keys,
  }
  return codec.encode(header, value)
}

/** Adds what a node stands for: the path of a tag, or the public key of an entry. */
function addPath(node: TagNode, root: TagNode, keyRoot: TagNode, tags: string[], keys: string[]): void {
  let path = String(node.segment)
  let at = node.parent
  if (at !== null && at.parent === keyRoot) {
    keys.push(String(at.segment) + path)
    return
  }
  for (; at !== null && at !== root; at = at.parent) path = `${at.segment}:${path}`
  tags.push(path)
}
