import { show } from "../base/errors.js"
import { Warnings } from "../base/warn-once.js"
import type { Table } from "../entries/table.js"
import { definedNames, type KnownNames } from "../tags/known-names.js"
import { parseTag } from "../tags/tag.js"
import type { Scope } from "../tags/scope.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { EntryId } from "../values/id.js"

/** The calls that take tags. */
export type TagCall = "invalidate" | "expire" | "add"

export interface HintsOptions {
  readonly trie: TagTrie
  /** The table of all keys that are given by hand. */
  readonly manual: Table
  /** Whether tags that reach nothing are told: outside production. */
  readonly tellsUnknownTags: boolean
}

/** Calls whose tags are all looked at. Of those after them one in {@link RARELY} is: a slip in code comes again. */
const LOOKED_AT_EACH = 1000
const RARELY = 16

/** Names for which nothing near was found are not compared again until others are known. */
const MOST_COMPARED = 1000

/**
 * Warnings about calls that do nothing, silently, because a tag was mistyped, or a key was given for a tag or a tag for a
 * key. Each is said once. None changes what the call does: another process may know what this one does not.
 */
export class Hints {
  readonly #options: HintsOptions
  readonly #warnings = new Warnings()
  /** By name, how many names were known when none of them was near. */
  readonly #compared = new Map<string, number>()
  /** How many of the first calls have come, and then how many may pass before the next look. */
  #seen = 0
  #untilLook = 0

  constructor(options: HintsOptions) {
    this.#options = options
  }

  /** Whether this call's tags are to be looked at: a look costs a fifth of an invalidation. To be asked once for each. */
  looksAtTags(): boolean {
    if (--this.#untilLook > 0) return false
    if (this.#seen < LOOKED_AT_EACH) this.#seen += 1
    else this.#untilLook = RARELY
    const { manual, tellsUnknownTags } = this.#options
    // In production, without keys given by hand, there is nothing to tell.
    return tellsUnknownTags || manual.entries.size > 0
  }

  /** Looks at tags that are about to be invalidated. They may be anything, and are refused elsewhere if they are none. */
  tags(scope: Scope, tags: readonly unknown[], call: TagCall): void {
    const { manual, tellsUnknownTags } = this.#options
    const hasKeys = manual.entries.size > 0
    for (const tag of tags) {
      if (typeof tag !== "string" || tag === "") continue
      if (hasKeys && this.#tellKey(scope, tag, call)) continue
      if (tellsUnknownTags) this.#tellUnknown(scope, tag, call)
    }
  }

  /** Looks at a key that is about to be deleted. `isStored` is asked only where a tag has that name. */
  key(scope: Scope, key: string, id: EntryId, isStored: () => boolean): void {
    const { manual } = this.#options
    if (manual.entries.has(id) || !this.#hasDependents(scope, key) || isStored()) return
    this.#warnings.once(
      "ZOOCACHE_TAG_AS_KEY",
      scopeAnd(scope, nameOf(key)),
      `delete(${show(key)}) takes keys, and there is no entry of that key, but there are entries that depend on a tag of ` +
        `that name. Call \`invalidate(${show(key)})\` to reach them. (Said once for each first segment.)`,
    )
  }

  /** Looks at the arguments of a call, whose loader takes one at most and whose key is made of all of them. */
  mapped({ functionName }: Table, args: readonly unknown[]): void {
    if (args.length !== 3) return
    const [item, index, list] = args
    if (!Number.isInteger(index) || !Array.isArray(list) || !Object.is(list[index as number], item)) return
    // In a scope, that comes first.
    const name = functionName.slice(functionName.lastIndexOf("\t") + 1)
    this.#warnings.once(
      "ZOOCACHE_MAPPED_CALL",
      functionName,
      `\`${name}\` was called with an item, its index and its array, as \`ids.map(fn)\` does. All three became part of the ` +
        "key, so that no other call meets this one. Wrap it: `ids.map((id) => fn(id))`, or use `cacheableMany`. " +
        "(Said once for each function.)",
    )
  }

  #tellKey(scope: Scope, tag: string, call: TagCall): boolean {
    const { manual } = this.#options
    // The trie first: the append is about to look there too, and the text of most tags is no key that was ever looked up.
    if (this.#isDependedOn(scope, tag) || tag.startsWith("ƒ") || !manual.entries.has(scope.manualId(tag))) return false
    this.#warnings.once(
      "ZOOCACHE_KEY_AS_TAG",
      scopeAnd(scope, tag),
      `${call}(${show(tag)}) takes tags, and here nothing depends on a tag of that name: it is the key of an entry. ` +
        `Call \`delete(${show(tag)})\`, or name the tag in the \`deps\` of the entry. (Said once for each key.)`,
    )
    return true
  }

  #tellUnknown(scope: Scope, tag: string, call: TagCall): void {
    const names = this.#namesIn(scope)
    const name = nameOf(tag)
    if (!names.lacks(name) || !definedNames.lacks(name)) return
    const subject = scope.isWhole ? name : ` ${name}`
    if (this.#compared.get(subject) === names.size) return
    const near = names.nearest(name)
    if (near === undefined) {
      if (this.#compared.size >= MOST_COMPARED) this.#compared.clear()
      this.#compared.set(subject, names.size)
      return
    }
    this.#warnings.once(
      "ZOOCACHE_UNKNOWN_TAG",
      subject,
      `${call}(${show(tag)}) may reach nothing: in this process no result has ever depended on a tag that begins with ` +
        `\`${name}\`. Did you mean \`${near}\`? \`defineTags\` rules such slips out. (Said once for each name, never with ` +
        "NODE_ENV=production.)",
    )
  }

  #namesIn(scope: Scope): KnownNames {
    const { trie } = this.#options
    return scope.isWhole ? trie.names : trie.scopedNames
  }

  /** Whether something here depends on a tag, or on one below it. */
  #hasDependents(scope: Scope, tag: string): boolean {
    // Most keys are no tags, and an error costs more than a look.
    return !this.#namesIn(scope).lacks(nameOf(tag)) && this.#isDependedOn(scope, tag)
  }

  #isDependedOn(scope: Scope, tag: string): boolean {
    try {
      return (this.#options.trie.find(parseTag(scope.path(tag)))?.uses ?? 0) > 0
    } catch {
      return false
    }
  }
}

/** The first segment. Without a branch that optimized code could not foresee: tags of both kinds come, in runs of each. */
function nameOf(tag: string): string {
  const { length } = tag
  const end = tag.indexOf(":")
  return tag.slice(0, end < 0 ? length : end)
}

function scopeAnd(scope: Scope, subject: string): string {
  return scope.isWhole ? subject : `${scope.prefix} ${subject}`
}
