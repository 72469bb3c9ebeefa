import { InvalidKeyError } from "../base/errors.js"
import { checkManualKey } from "../values/function-key.js"
import type { EntryId } from "../values/id.js"
import { parseTag } from "./tag.js"
import type { TagNode } from "./tag-node.js"
import type { TagTrie } from "./tag-trie.js"

// Neither can be part of a name or of a key that a user gives.
const NAME_SEPARATOR = "\t"
const SCOPED_KEY = "ƒscope:"

/** The part of a cache's tags, names and keys that a view may use: all of them, or those below one tag. */
export class Scope {
  /** `""` for all. */
  readonly prefix: string
  readonly #trie: TagTrie
  /** How many segments the prefix has. */
  readonly #depth: number

  constructor(trie: TagTrie, prefix: string) {
    this.#trie = trie
    this.prefix = prefix
    this.#depth = prefix === "" ? 0 : parseTag(prefix).length
  }

  get isWhole(): boolean {
    return this.prefix === ""
  }

  below(tag: string): Scope {
    const inner = new Scope(this.#trie, this.path(tag))
    // From outside, what is in the scope has tags that begin with its name.
    if (!this.isWhole) this.announce(tag)
    return inner
  }

  /** The whole tag of one given within this scope, checked. */
  path(tag: string): string {
    // Checked by itself first: it must be a tag of its own, not something that only looks like one behind the prefix.
    parseTag(tag)
    if (this.prefix === "") return tag
    const path = `${this.prefix}:${tag}`
    parseTag(path)
    return path
  }

  /** The node of a tag that something depends on, with one use more. */
  acquire(tag: string): TagNode {
    const segments = parseTag(tag)
    if (this.prefix === "") return this.#trie.acquireDependency(segments)
    return this.#trie.acquireDependency(parseTag(`${this.prefix}:${tag}`), this.#depth)
  }

  /** Takes note of a tag on which results will depend, before any does. It may be none, and is refused later then. */
  announce(tag: string): void {
    const end = tag.indexOf(":")
    const names = this.prefix === "" ? this.#trie.names : this.#trie.scopedNames
    names.note(end < 0 ? tag : tag.slice(0, end))
  }

  /** The node of the scope itself with one use more; undefined for the whole cache. */
  acquireOwn(): TagNode | undefined {
    return this.prefix === "" ? undefined : this.#trie.acquireDependency(parseTag(this.prefix))
  }

  functionName(name: string): string {
    return this.prefix === "" ? name : this.prefix + NAME_SEPARATOR + name
  }

  /** Whether a function of that whole name belongs here. */
  owns(functionName: string): boolean {
    if (this.prefix === "") return true
    const scope = prefixOfFunction(functionName)
    return scope === this.prefix || scope.startsWith(`${this.prefix}:`)
  }

  /** The scope of a key given by hand: of a whole key, as an event names it, the one in which it was made. */
  ofKey(key: string): Scope {
    const prefix = prefixOfKey(key)
    return prefix === "" ? this : this.#at(prefix)
  }

  /** The scope in which a function of that whole name was defined. */
  ofFunction(functionName: string): Scope {
    return this.#at(prefixOfFunction(functionName))
  }

  #at(prefix: string): Scope {
    return prefix === this.prefix ? this : new Scope(this.#trie, prefix)
  }

  /** The id of a key given by hand. */
  manualId(key: string): EntryId {
    checkManualKey(key)
    if (key.startsWith(SCOPED_KEY)) {
      // As a load in a scope, an event or an error names it.
      const isWhole = key.includes(NAME_SEPARATOR)
      const isHere = this.prefix === "" || key.startsWith(`${SCOPED_KEY}${this.prefix}:`)
      if (isWhole && isHere) return key
      throw new InvalidKeyError(key, "keys that begin with `ƒscope:` are reserved")
    }
    return this.prefix === "" ? key : `${SCOPED_KEY}${this.prefix}:${NAME_SEPARATOR}${key}`
  }
}

/** The tag of the scope in which a key was given by hand, as an event names the key; empty without one. */
export function prefixOfKey(key: string): string {
  const end = key.startsWith(SCOPED_KEY) ? key.indexOf(NAME_SEPARATOR) : -1
  // In front of the separator stands a colon.
  return end < 0 ? "" : key.slice(SCOPED_KEY.length, end - 1)
}

/** The tag of the scope in which a function of that whole name was defined; empty without one. */
export function prefixOfFunction(functionName: string): string {
  const end = functionName.indexOf(NAME_SEPARATOR)
  return end < 0 ? "" : functionName.slice(0, end)
}
