import { compareRank } from "../codec/header.js"
import type { Amendment, Rank } from "../core/ports/store.js"
import type { Queueable } from "./write-queue.js"

/** A caller that waits for a write. */
interface Waiter {
  readonly resolve: (isKept: boolean) => void
  readonly reject: (error: unknown) => void
}

interface AnyWrite extends Queueable {
  /** The caller whose write this is; undefined for what the store writes by itself. */
  own: Waiter | undefined
  /** Callers whose writes were merged into this one. */
  others: Waiter[]
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
  /** The damaged head that is stored: nothing else is discarded. */
  readonly head: Buffer
}

export type StoreWrite = Put | Remove | Touch | Discard

/** Tells all callers how the write went. The merged ones are told that theirs was kept: it would have been, for a moment. */
export function settleWrite({ own, others }: StoreWrite, isKept: boolean): void {
  own?.resolve(isKept)
  for (const other of others) other.resolve(true)
}

export function dropWrite({ own, others }: StoreWrite): void {
  own?.resolve(false)
  for (const other of others) other.resolve(false)
}

/** Rejects the caller alone: it is one fault. The merged ones are told that theirs was dropped. */
export function failWrite(write: StoreWrite, error: unknown): void {
  write.own?.reject(error)
  dropWrite(write)
}

/**
 * The one write that leaves behind the same as two of one key in their order, whatever is stored; undefined if there is
 * none.
 */
export function mergeWrites(last: StoreWrite, next: StoreWrite): StoreWrite | undefined {
  switch (next.kind) {
    case "put":
      if (last.kind === "put") return compareRank(last.rank, next.rank) > 0 ? refuse(next, last) : replace(last, next)
      // A put replaces whatever a removal below it would remove.
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

/** All waiters of two writes that become one, in the longer of their lists: of many writes that merge, none is copied again and again. */
function joined(some: Waiter[], more: Waiter[]): Waiter[] {
  const [into, from] = some.length < more.length ? [more, some] : [some, more]
  for (const waiter of from) into.push(waiter)
  return into
}

/** `next` takes the place of `last`. */
function replace(last: StoreWrite, next: StoreWrite): StoreWrite {
  next.others = joined(last.others, next.others)
  if (last.own !== undefined) next.others.push(last.own)
  return next
}

/** `next` is done when `last` is. */
function join<Write extends StoreWrite>(last: Write, next: StoreWrite): Write {
  last.others = joined(last.others, next.others)
  if (next.own !== undefined) last.others.push(next.own)
  return last
}

/** A put below one that is about to go out would be refused. */
function refuse(next: Put, last: Put): Put {
  next.own?.resolve(false)
  return last
}
