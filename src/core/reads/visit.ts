import type { Table } from "../entries/table.js"
import { currentFrame, type Frame } from "../loads/frame.js"
import { type Run, runOf } from "../loads/run.js"
import { type Transaction, transactionOf } from "../writes/transaction.js"
import type { TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { EntryId } from "../values/id.js"

/** The surroundings of a read of one key, and what they have noted of it. */
export interface Visit {
  readonly frame: Frame | undefined
  /** The load of the same cache that reads; undefined outside of one. */
  readonly run: Run | undefined
  readonly transaction: Transaction | undefined
}

/**
 * Begins a read of a key, whatever public call it is: the load around it depends on the key from before the read, and a
 * load of another cache is told that it used something that it can't follow.
 */
export function beginVisit(table: Table, id: EntryId, frame: Frame | undefined): Visit {
  if (frame === undefined) return OUTSIDE
  const reading = runOf(frame)
  if (reading !== undefined && reading.owner !== table.trie) {
    reading.useForeign(table.keyOf(id), table.trie)
    // Which of its results are private nobody can follow.
    if (table.trie.hasSecrets) reading.useSecret()
  }
  const run = runOf(frame, table.trie)
  run?.inheritKey(table, id)
  return { frame, run, transaction: transactionOf(frame, table.trie) }
}

/** The same for a look at what is no entry of this process: a tag, or the key of a function that is not defined here. */
export function visitNode(name: string, trie: TagTrie, acquire: () => TagNode): void {
  const frame = currentFrame()
  if (frame === undefined) return
  const reading = runOf(frame)
  if (reading !== undefined && reading.owner !== trie) reading.useForeign(name, trie)
  const run = runOf(frame, trie)
  if (run?.inherits === true) run.addAcquired(acquire())
}

const OUTSIDE: Visit = { frame: undefined, run: undefined, transaction: undefined }
