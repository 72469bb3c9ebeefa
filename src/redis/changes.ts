import { isOfTags } from "../core/ports/change.js"
import type { ChangeKind, LogChange } from "../core/ports/log.js"

const LETTERS: Readonly<Record<ChangeKind, string>> = { tag: "t", expiry: "e", key: "k", function: "f" }
const KINDS: Readonly<Record<string, ChangeKind>> = { t: "tag", e: "expiry", k: "key", f: "function" }

interface MaybeWellFormed {
  isWellFormed(): boolean
}

/**
 * A change as a member of a sorted set: a letter for its kind, then its path. A path with a lone surrogate, which UTF-8
 * does not have, goes as JSON, behind the letter as a capital.
 */
export function memberOf({ kind, path }: LogChange): string {
  if ((path as unknown as MaybeWellFormed).isWellFormed()) return LETTERS[kind] + path
  return LETTERS[kind].toUpperCase() + JSON.stringify(path)
}

/** Members of several changes, those that are remembered with the tags first. */
export function membersOf(changes: readonly LogChange[]): string[] {
  if (changes.length === 1) return [memberOf(changes[0] as LogChange)]
  const tags: string[] = []
  const keys: string[] = []
  for (const change of changes) (isOfTags(change) ? tags : keys).push(memberOf(change))
  for (const key of keys) tags.push(key)
  return tags
}

/** Undefined for what no `memberOf` has made. */
export function changeOf(member: string): LogChange | undefined {
  const letter = member.charAt(0)
  const kind = KINDS[letter]
  if (kind !== undefined) return { kind, path: member.slice(1) }
  const escaped = KINDS[letter.toLowerCase()]
  if (escaped === undefined) return undefined
  try {
    const path: unknown = JSON.parse(member.slice(1))
    return typeof path === "string" ? { kind: escaped, path } : undefined
  } catch {
    return undefined
  }
}
