import { createHash } from "node:crypto"
import type { RedisArgument, RedisClient } from "./client.js"
import { codeOf } from "./store-errors.js"
import { AMENDMENT_BYTES, HEAD_BYTES, LIFTED_AT, MAGIC, ORDINAL_AT, SLID_AT } from "./store-record.js"

/** A script of one key, known to a server by its hash once it has run there. */
export interface Script {
  readonly text: string
  readonly sha: string
}

// The stored entry is compared by its head alone, however large it is. A value that is no entry, or of another type, is in
// the way of nobody. Positions in Lua begin at 1. Numbers that are NaN compare as false, so that they are in nobody's way either.
const HEAD = `
local head = redis.pcall('GETRANGE', KEYS[1], 0, ${HEAD_BYTES - 1})
local isEntry = type(head) == 'string' and #head == ${HEAD_BYTES} and string.sub(head, 1, 4) == '${MAGIC}'
local function rankOf(text, at)
  local ordinal, nonce, keyVersion, asOf = struct.unpack('<dc8dd', text, at)
  return { ordinal = ordinal, nonce = nonce, keyVersion = keyVersion, asOf = asOf }
end
local stored
if isEntry then
  stored = rankOf(head, ${ORDINAL_AT + 1})
  local lifted = struct.unpack('<d', head, ${LIFTED_AT + 1})
  if lifted > stored.asOf then stored.asOf = lifted end
end
local function isAbove(given)
  if not isEntry then return false end
  if stored.ordinal ~= given.ordinal then return stored.ordinal > given.ordinal end
  if stored.nonce ~= given.nonce then return false end
  if stored.keyVersion ~= given.keyVersion then return stored.keyVersion > given.keyVersion end
  return stored.asOf > given.asOf
end
`

/** ARGV: the record; how long it is of use in milliseconds, 0 where that is over already. 0 where one above it is there. */
export const PUT = script(`${HEAD}
if isAbove(rankOf(ARGV[1], ${ORDINAL_AT + 1})) then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
`)

/** ARGV: a rank. */
export const REMOVE = script(`${HEAD}
if isAbove(rankOf(ARGV[1], 1)) then return 0 end
return redis.call('DEL', KEYS[1])
`)

/**
 * ARGV: a rank; the field for a new asOf, or nothing; that for a new end of idling, or nothing; the caller's Unix
 * milliseconds; how long an entry is kept unused. 0 where the entry is not there any more.
 */
export const TOUCH = script(`${HEAD}
if not isEntry then return 0 end
local given = rankOf(ARGV[1], 1)
if stored.ordinal ~= given.ordinal or stored.nonce ~= given.nonce or stored.keyVersion ~= given.keyVersion
  or stored.asOf < given.asOf then return 0 end
if #ARGV[2] == ${AMENDMENT_BYTES} and struct.unpack('<d', ARGV[2], 1) > stored.asOf then
  redis.call('SETRANGE', KEYS[1], ${LIFTED_AT}, ARGV[2])
end
local idleUntil, hardEnd, grace = struct.unpack('<ddd', head, 41)
if #ARGV[3] == ${AMENDMENT_BYTES} then
  redis.call('SETRANGE', KEYS[1], ${SLID_AT}, ARGV[3])
  idleUntil = struct.unpack('<d', ARGV[3], 1)
elseif string.sub(head, ${SLID_AT + 1}, ${SLID_AT + AMENDMENT_BYTES}) ~= string.rep('\\0', ${AMENDMENT_BYTES}) then
  idleUntil = struct.unpack('<d', head, ${SLID_AT + 1})
end
local now = tonumber(ARGV[4])
local left = math.floor(math.min(hardEnd - now, idleUntil + grace - now, tonumber(ARGV[5])))
if left < 1 then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left)) end
return 1
`)

/** ARGV: the head of what can't be an entry. Removes it, if it is still there. */
export const DISCARD = script(`
local head = redis.pcall('GETRANGE', KEYS[1], 0, ${HEAD_BYTES - 1})
if type(head) ~= 'string' or head ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)

/** Behind the token of whoever has a lease where others were refused it, and so may wait. */
const WAITED_FOR = "!"

/** ARGV: a token without `!`; milliseconds. -1 where it is granted, else for how long it is held at most. */
export const ACQUIRE = script(`
local held = redis.call('GET', KEYS[1])
local left = held and redis.call('PTTL', KEYS[1]) or -1
if left < 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return -1
end
if string.sub(held, -1) ~= '${WAITED_FOR}' then redis.call('SET', KEYS[1], held .. '${WAITED_FOR}', 'KEEPTTL') end
return left
`)

/**
 * ARGV: the token; a channel; what is said there. A lease that nobody was refused wakes nobody. Somebody else's lease
 * stays, but those who wait for it hear of what has come meanwhile.
 */
export const RELEASE = script(`
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then return redis.call('DEL', KEYS[1]) end
if held == ARGV[1] .. '${WAITED_FOR}' then redis.call('DEL', KEYS[1]) end
return redis.call('PUBLISH', ARGV[2], ARGV[3])
`)

/** A read by whoever may write: it goes to the master, wherever other reads go. */
export const READ = script("return redis.call('GET', KEYS[1])")

/** Runs a script; a server that does not know it yet gets it whole. */
export async function runScript(
  client: RedisClient,
  { text, sha }: Script,
  key: string,
  args: readonly RedisArgument[],
): Promise<unknown> {
  try {
    return await client.callBuffer("EVALSHA", sha, 1, key, ...args)
  } catch (error) {
    if (codeOf(error) !== "NOSCRIPT") throw error
    return client.callBuffer("EVAL", text, 1, key, ...args)
  }
}

/**
 * Runs a short script by its text. In one command, whatever the server knows, so that it keeps its place among those that
 * are sent before and after it.
 */
export function runInPlace(
  client: RedisClient,
  { text }: Script,
  key: string,
  args: readonly RedisArgument[],
): Promise<unknown> {
  return client.callBuffer("EVAL", text, 1, key, ...args)
}

function script(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") }
}
