import { InvalidOptionError } from "../base/errors.js"
import type { Stamp, TagTrie } from "./tag-trie.js"

declare const brand: unique symbol

/**
 * A place in the order of changes at which something was read. Taken with `cache.position()` before a row is read,
 * given to `cache.set` with the value made of it: what was invalidated in between makes the value stale. Of this
 * process only.
 */
export interface Position {
  readonly [brand]: true
}

class PositionOf {
  readonly trie: TagTrie
  readonly moment: Stamp

  constructor(trie: TagTrie) {
    this.trie = trie
    this.moment = Object.freeze(trie.moment)
    Object.freeze(this)
  }
}

export function takePosition(trie: TagTrie): Position {
  return new PositionOf(trie) as unknown as Position
}

export function readPosition(position: Position, trie: TagTrie): Stamp {
  const given: unknown = position
  if (!(given instanceof PositionOf) || given.trie !== trie) {
    throw new InvalidOptionError("asOf", position, "it must be what `cache.position()` of this cache returned")
  }
  return given.moment
}
