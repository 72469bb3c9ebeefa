import type { LogChange, LogNews } from "../core/log.js"
import { memberOf } from "./changes.js"
import { readAppended, readMembers, ReplyError } from "./replies.js"

/** Whoever listens to a larger one would rather pull: it is sent without its changes. */
const MOST_LENGTH = 64 * 1024
/** Nothing that an append of this library announces is as long. */
const LONGEST_MESSAGE = 4 * MOST_LENGTH

/** What a doorbell says behind the reply of its append: JSON. Without `changes` it says that there is something to pull. */
export function ringText(changes: readonly LogChange[], origin: string): string {
  const whole = JSON.stringify({ origin, changes: changes.map(memberOf) })
  return whole.length > MOST_LENGTH ? JSON.stringify({ origin }) : whole
}

/** Undefined for a doorbell without changes. @throws ReplyError for what no append has announced. */
export function readRing(message: string): LogNews | undefined {
  if (message.length > LONGEST_MESSAGE) throw new ReplyError(`it has ${message.length} characters`)
  const { reply, rest } = readAppended(message)
  let said: unknown
  try {
    said = JSON.parse(rest)
  } catch {
    throw new ReplyError("it ends in no JSON")
  }
  const { origin, changes } = (said ?? {}) as { origin?: unknown; changes?: unknown }
  if (typeof origin !== "string") throw new ReplyError("it has no origin")
  if (changes === undefined) return undefined
  return { ...reply, changes: readMembers(changes), origin }
}
