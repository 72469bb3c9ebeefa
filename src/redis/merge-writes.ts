import { compareRank } from "../codec/header.js"
import type { Amendment, Rank } from "../core/ports/store.js"
import type { Queueable } from "./write-queue.js"

/** Who waits for a write. `own`: whose call it was, and not one whose place it took. */
interface Waiter {
  readonly resolve: (isKept: boolean) => void
  readonly reject: (error: unknown) => void
}

interface AnyWrite extends Queueable {
  /** The caller; undefined for what the store writes by itself. */
  own: Waiter | undefined
  /** Whose places it took. */
  readonly others: Waiter[]
}

export interface Put extends AnyWrite {
  readonly kind: "put"
  readonly record: Buffer
  readonly rank: Rank
}

export interface Remove extends AnyWrite {
  readonly kind: "remove"
  readonly rank: Rank
}

export interface Touch extends AnyWrite {
  readonly kind: "touch"
  readonly rank: Rank
  readonly amendment: Amendment
}

export interface Discard extends AnyWrite {
  readonly kind: "discard"
  /** What is there instead of an entry's head. */
  readonly head: Buffer
}

export type StoreWrite = Put | Remove | Touch | Discard

/** All that were waiting for it, told how it went. An error is told to one: it is one fault. */
export function settleWrite({ own, others }: StoreWrite, isKept: boolean): void {
  own?.resolve(isKept)
  for (const other of others) other.resolve(true)
}

export function dropWrite({ own, others }: StoreWrite): void {
  own?.resolve(false)
  for (const other of others) other.resolve(false)
}

export function failWrite(write: StoreWrite, error: unknown): void {
  write.own?.reject(error)
  dropWrite(write)
}

/**
 * One write that leaves behind the same as two of one key in their order, whatever is stored; undefined if there is none.
 * Whose place was taken is told that it was kept: it would have been, for a moment.
 */
export function mergeWrites(last: StoreWrite, next: StoreWrite): StoreWrite | undefined {
  switch (next.kind) {
    case "put":
      if (last.kind === "put") return compareRank(last.rank, next.rank) > 0 ? refuse(next, last) : replace(last, next)
      // What a removal below it would remove, it replaces.
      if (last.kind === "remove" && compareRank(last.rank, next.rank) <= 0) return replace(last, next)
      return undefined
    case "remove":
      if (last.kind === "put") return compareRank(last.rank, next.rank) > 0 ? join(last, next) : replace(last, next)
      if (last.kind === "remove") {
        return compareRank(last.rank, next.rank) > 0 ? join(last, next) : replace(last, next)
      }
      return undefined
    case "touch":
      if (last.kind === "touch" && compareRank(last.rank, next.rank) === 0) {
        return replace(last, { ...next, amendment: mergeAmendments(last.amendment, next.amendment) })
      }
      return undefined
    case "discard":
      return last.kind === "discard" ? join(last, next) : undefined
  }
}

function mergeAmendments(a: Amendment, b: Amendment): Amendment {
  if (a.asOf === undefined || b.asOf === undefined) return { ...a, ...b }
  return { ...a, ...b, asOf: Math.max(a.asOf, b.asOf) }
}

/** `next` takes the place of `last`. */
function replace(last: StoreWrite, next: StoreWrite): StoreWrite {
  next.others.push(...last.others)
  if (last.own !== undefined) next.others.push(last.own)
  return next
}

/** `next` is done when `last` is. */
function join<Write extends StoreWrite>(last: Write, next: StoreWrite): Write {
  last.others.push(...next.others)
  if (next.own !== undefined) last.others.push(next.own)
  return last
}

/** A put below one that is about to go out would be refused. */
function refuse(next: Put, last: Put): Put {
  next.own?.resolve(false)
  return last
}
