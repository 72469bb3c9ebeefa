import type { LogNews } from "../core/ports/log.js"
import { readAppended, readMembers, ReplyError } from "./replies.js"

/** Longer doorbells are sent without their changes: a pull is cheaper for those who listen. */
const MOST_LENGTH = 64 * 1024
/** Nothing that an append of this library announces is as long. */
const LONGEST_MESSAGE = 4 * MOST_LENGTH

/** Text of a doorbell behind the reply of its append: JSON. Without `changes` there is something to pull. */
export function ringText(members: readonly string[], origin: string): string {
  // A single string is written quicker than an object.
  const whole =
    members.length === 1
      ? `{"origin":${JSON.stringify(origin)},"changes":[${JSON.stringify(members[0])}]}`
      : JSON.stringify({ origin, changes: members })
  return whole.length > MOST_LENGTH ? JSON.stringify({ origin }) : whole
}

/** Undefined for a doorbell without changes. @throws ReplyError for what no append has announced. */
export function readRing(message: string): LogNews | undefined {
  if (message.length > LONGEST_MESSAGE) throw new ReplyError(`it has ${message.length} characters`)
  const { reply, rest } = readAppended(message)
  const { origin, changes } = saidBriefly(rest) ?? saidAsJson(rest)
  if (typeof origin !== "string") throw new ReplyError("it has no origin")
  if (changes === undefined) return undefined
  return { ...reply, changes: readMembers(changes), origin }
}

interface Said {
  readonly origin?: unknown
  readonly changes?: unknown
}

function saidAsJson(rest: string): Said {
  try {
    return (JSON.parse(rest) ?? {}) as Said
  } catch {
    throw new ReplyError("it ends in no JSON")
  }
}

const ORIGIN_AT = '{"origin":"'.length
const CHANGES = '","changes":["'
const END = '"]}'
const SPACE = 32

/** Reads a text of one change and without an escape, as nearly all are, quicker than JSON. Undefined for any other. */
function saidBriefly(rest: string): Said | undefined {
  const originEnd = rest.indexOf('"', ORIGIN_AT)
  const memberAt = originEnd + CHANGES.length
  const memberEnd = rest.length - END.length
  const isBrief =
    rest.startsWith('{"origin":"') && rest.startsWith(CHANGES, originEnd) && rest.endsWith(END) && memberEnd >= memberAt
  if (!isBrief) return undefined
  const origin = rest.slice(ORIGIN_AT, originEnd)
  const member = rest.slice(memberAt, memberEnd)
  return isPlain(origin) && isPlain(member) ? { origin, changes: [member] } : undefined
}

/** Whether JSON has a text as it is. */
function isPlain(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index] as string
    if (character === '"' || character === "\\" || text.charCodeAt(index) < SPACE) return false
  }
  return true
}
