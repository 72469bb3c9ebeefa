import { UncacheableValueError } from "../base/errors.js"
import { dataProperty } from "./inspect-object.js"

/** Throws for a value that can be read only once: the second caller would find it empty. */
export function rejectSingleUse(value: object, subject: string | undefined): void {
  const kind = singleUseKind(value)
  if (kind !== undefined) throw new UncacheableValueError(kind, subject)
}

// By what an object can do, not by its class: streams and responses come from many realms, polyfills and drivers.
function singleUseKind(value: object): string | undefined {
  if (canDo(value, "next")) {
    const isGenerator = stringTag(value)?.endsWith("Generator") === true
    // Database cursors return a new generator over the same rows, so an async iterator isn't asked whether it is one.
    if (canDo(value, Symbol.asyncIterator)) return isGenerator ? "An async generator" : "An async iterator"
    if (canDo(value, Symbol.iterator) && iteratesItself(value)) return isGenerator ? "A generator" : "An iterator"
  }
  if (canDo(value, "pipe") && canDo(value, "on")) return "A stream"
  if (canDo(value, "getReader") && canDo(value, "cancel")) return "A stream"
  if (canDo(value, "getWriter") && canDo(value, "abort")) return "A stream"
  if (canDo(value, "tee") && canDo(value, Symbol.asyncIterator)) return "A stream"
  if ("closed" in value && canDo(value, "releaseLock")) return "A reader or writer of a stream"
  if ("bodyUsed" in value && canDo(value, "arrayBuffer")) return `A ${stringTag(value) ?? "body"}`
  if ("readyState" in value && canDo(value, "send") && canDo(value, "close")) return "A connection"
  if ("readable" in value && "writable" in value && stringTag(value)?.endsWith("Stream") === true) return "A stream"
  return undefined
}

// The one question that only the object itself can answer: a list with a method `next` can be walked twice, an iterator can't.
function iteratesItself(value: object): boolean {
  try {
    return (value as { [Symbol.iterator](): unknown })[Symbol.iterator]() === value
  } catch {
    return false
  }
}

/** Whether it has such a method, own or inherited, without running an accessor. */
function canDo(value: object, method: PropertyKey): boolean {
  return method in value && typeof dataProperty(value, method) === "function"
}

function stringTag(value: object): string | undefined {
  const tag = dataProperty(value, Symbol.toStringTag)
  return typeof tag === "string" ? tag : undefined
}
