import type { AppendReply, LogChange, LogEnd, LoggedChange, PullReply } from "../core/ports/log.js"
import { type Epoch, isVersion, type Version } from "../core/tags/version.js"
import { changeOf } from "./changes.js"

/** A reply that no script of this version gives. */
export class ReplyError extends Error {}

const ABOUT = /^(\d{1,16}) ([\w-]{1,32}) (\d{1,16}) (\d{1,16}) ([\w-]{1,32}) (\d{1,16})$/
const APPENDED = /^(\d+ \S+ \d+ \d+ \S+ \d+) (\d{1,16}) (\d{1,16}) /
const PULLED = /^(\d+ \S+ \d+ \d+ \S+ \d+) (\d{1,16}) (\d{1,16}) (\d{1,16}) (-|\d{1,16})$/

const SPACE = 32
const ZERO = 48

export interface Appended {
  readonly reply: AppendReply
  /** Text that follows: of a reply the state of the doorbell, of a message what the doorbell says besides. */
  readonly rest: string
}

/** Reads the reply of an append, which a doorbell begins with too. */
export function readAppended(text: string): Appended {
  const known = readOfSameLife(text)
  if (known !== undefined) return known
  const parts = APPENDED.exec(text)
  if (parts === null) throw new ReplyError("it does not begin as an append does")
  const { epoch, ended } = aboutOf(parts[1] as string)
  const version = versionOf(parts[2])
  const previousHead = versionOf(parts[3])
  if (version <= previousHead) throw new ReplyError("its version is not above the one before")
  return { reply: { epoch, ended, version, previousHead }, rest: text.slice(parts[0].length) }
}

export interface Page {
  readonly reply: Omit<PullReply, "changes">
  readonly changes: readonly LoggedChange[]
  /** Version at which the next page begins; undefined if this was the last. */
  readonly next: Version | undefined
}

export function readPage(reply: unknown): Page {
  if (!Array.isArray(reply)) throw new ReplyError("it is no list")
  const parts = PULLED.exec(textOf(reply[0]))
  if (parts === null) throw new ReplyError("it does not begin as a pull does")
  const head = versionOf(parts[2])
  const floor = versionOf(parts[3])
  const keyFloor = versionOf(parts[4])
  if (floor > head || keyFloor > head) throw new ReplyError("a floor is above its head")
  const changes: LoggedChange[] = []
  let version: Version | undefined
  for (let index = 1; index < reply.length; index += 1) {
    const text = textOf(reply[index])
    if (text.startsWith("@")) {
      version = versionOf(text.slice(1))
      if (version > head) throw new ReplyError("a version is above its head")
      continue
    }
    const change = changeOf(text)
    if (change === undefined || version === undefined) throw new ReplyError("it names a change of no known kind")
    changes.push({ kind: change.kind, path: change.path, version })
  }
  const next = parts[5] === "-" ? undefined : versionOf(parts[5])
  return { reply: { ...aboutOf(parts[1] as string), head, floor, keyFloor }, changes, next }
}

/** Reads changes of a doorbell: members as in the sorted sets. */
export function readMembers(members: unknown): LogChange[] {
  if (!Array.isArray(members)) throw new ReplyError("its changes are no list")
  return members.map((member: unknown) => {
    const change = typeof member === "string" ? changeOf(member) : undefined
    if (change === undefined) throw new ReplyError("it names a change of no known kind")
    return change
  })
}

export function textOf(value: unknown): string {
  if (typeof value === "string") return value
  if (Buffer.isBuffer(value)) return value.toString()
  throw new ReplyError("a part of it is no text")
}

interface About {
  readonly epoch: Epoch
  readonly ended: LogEnd
}

// Epochs are the same from one reply to the next, until a life ends.
let lastText = ""
let lastAbout: About | undefined

function aboutOf(text: string): About {
  if (text === lastText && lastAbout !== undefined) return lastAbout
  const parts = ABOUT.exec(text)
  if (parts === null) throw new ReplyError("it names no epoch")
  const epoch = Object.freeze({ ordinal: integerOf(parts[1]), nonce: parts[2] as string })
  const endedEpoch = Object.freeze({ ordinal: integerOf(parts[4]), nonce: parts[5] as string })
  const ended = Object.freeze({ epoch: endedEpoch, head: versionOf(parts[6]), life: integerOf(parts[3]) })
  lastAbout = { epoch, ended }
  lastText = text
  return lastAbout
}

/** The same without a look at what nearly always is the same. Undefined where it needs one. */
function readOfSameLife(text: string): Appended | undefined {
  const versionAt = lastText.length + 1
  if (lastAbout === undefined || !text.startsWith(lastText) || text.charCodeAt(lastText.length) !== SPACE)
    return undefined
  const previousAt = text.indexOf(" ", versionAt) + 1
  const restAt = text.indexOf(" ", previousAt) + 1
  const version = digitsOf(text, versionAt, previousAt - 1)
  const previousHead = digitsOf(text, previousAt, restAt - 1)
  // Not so, or not as it should be.
  if (previousAt === 0 || restAt === 0 || !isVersion(previousHead) || !isVersion(version) || version <= previousHead) {
    return undefined
  }
  const { epoch, ended } = lastAbout
  return { reply: { epoch, ended, version, previousHead }, rest: text.slice(restAt) }
}

/** NaN for anything else. */
function digitsOf(text: string, start: number, end: number): number {
  if (end <= start || end - start > 16) return Number.NaN
  let number = 0
  for (let index = start; index < end; index += 1) {
    const digit = text.charCodeAt(index) - ZERO
    if (digit < 0 || digit > 9) return Number.NaN
    number = number * 10 + digit
  }
  return number
}

function integerOf(text: string | undefined): number {
  const number = Number(text)
  if (text === "" || !Number.isSafeInteger(number)) throw new ReplyError("a number of it is out of range")
  return number
}

function versionOf(text: string | undefined): Version {
  const version = integerOf(text)
  if (!isVersion(version)) throw new ReplyError("a version of it is out of range")
  return version
}
