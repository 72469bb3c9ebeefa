/**
 * The beginning of both scripts: they read the log's state, compare it with the server they run on and with what the caller
 * knows, and decide whether history was lost. Nothing is written here but by `SAVE`.
 *
 * **The server's identity.** `master_replid` is looked at by `INFO replication` in the script, which costs some 7 µs of the
 * server's time (`INFO server`, which tells the `run_id`, costs 25 more). A client can't pass it: it changes while a
 * connection stays (a master that became a replica and a master again), a cluster client's commands move to other servers,
 * and so do those behind a proxy. While its role is master, a server has a `master_replid` that it drew at random in this
 * run (at its start, or when it was promoted), so that another `run_id` without another `master_replid` is not to be
 * expected. Such a change is noticed all the same: the caller sends the `run_id` that it has read, and where that is not the one kept,
 * the script asks the server. `INFO replication` also tells a replica, which must answer nobody: a cluster client may have
 * a connection that was opened for reading from one.
 *
 * A pull always looks. An append leaves it to the next pull, a heartbeat away, where the caller has read the very `run_id`
 * that is kept: whoever became the master in another's place, or has taken over another's data, keeps another one; and a
 * replica refuses to write by itself.
 *
 * **Vanishing together.** Each sorted set has a seal, a member of score 0, so that it is never empty: where one of the three
 * keys is missing, it was deleted or evicted, and the other two count for nothing.
 *
 * **All or nothing.** Redis refuses a script's first write for want of memory, of a healthy disk or of replicas, and never
 * a later one. So `SAVE` comes first. If a later command is refused all the same (an ACL without it, a key of another
 * type), the head has moved and changes of this version may be missing: the caller gets an error and repeats, and nobody
 * was promised them.
 *
 * Numbers are below 2^53 and are written with `%.0f`: Lua's own conversion keeps 14 digits. Numbers that do not change
 * stay text, since that conversion costs as much as a command; and so do half a dozen functions, of which nearly no append makes
 * one.
 *
 * KEYS: state (a hash: `epoch` is ordinal and nonce, `life` the count of lives and how the last one ended, `head`,
 * `floors`, `replid`, `run`), tags, keys
 * ARGV: 1 the caller's epoch, `<ordinal> <nonce>` or empty, 2 its cursor, 3 a nonce for a new epoch and, with
 * `onFailover: "trust"`, how far to leap: `<nonce>` or `<nonce> <ticks>`, 4 the server's run_id as the caller has read it (or
 * empty)
 */
export function stateScript({ trustsCaller }: { readonly trustsCaller: boolean }): string {
  return `
local call, format, match, find = redis.call, string.format, string.match, string.find
local kept = call('HMGET', KEYS[1], 'epoch', 'life', 'head', 'floors', 'replid', 'run')
local epoch, life, head, floors, replid, run = kept[1], kept[2], kept[3], kept[4], kept[5], kept[6]

local isAsked = ${trustsCaller ? "ARGV[4] == '' or ARGV[4] ~= run" : "true"}
local replication = isAsked and call('INFO', 'replication')
if isAsked and not find(replication, 'role:master', 1, true) then
  return redis.error_reply('READONLY this server is a replica')
end

local isCallers = ARGV[1] == epoch
local begins, leaps = false, false
if not (epoch and life and head and floors and replid and run) or call('EXISTS', KEYS[2], KEYS[3]) < 2 then
  begins = true
elseif not isCallers and ARGV[1] ~= '' and tonumber(match(ARGV[1], '^%d+')) >= tonumber(match(epoch, '^%d+')) then
  -- It has seen a later life, or another of the same ordinal.
  begins = true
else
  local isOther = isAsked and not find(replication, 'master_replid:' .. replid, 1, true)
  if not isOther and ARGV[4] ~= '' and ARGV[4] ~= run then
    isOther = match(call('INFO', 'server'), 'run_id:(%w+)') ~= run
  end
  if isOther and find(ARGV[3], ' ', 1, true) then
    leaps = true
  else
    begins = isOther or (isCallers and ARGV[2] ~= head and tonumber(ARGV[2]) > tonumber(head))
  end
end
-- The server's clock: milliseconds, and microseconds.
local nowMs, nowUs
if begins or leaps then
  ${CLOCK}
  replication = replication or call('INFO', 'replication')
  local cursor = tonumber(ARGV[2])
  local last = head and tonumber(head) or 0
  local nonce, leap = match(ARGV[3], '^(%S+) ?(%d*)$')
  if epoch and life and head then
    life = format('%.0f', tonumber(match(life, '^%d+')) + 1) .. ' ' .. epoch .. ' ' .. head
  else
    -- The count is lost with the state, and begins with the time: whoever has counted sees it rise by more than one.
    life = format('%.0f', nowUs) .. ' 0 none 0'
  end
  replid = match(replication, 'master_replid:(%w+)')
  if not replid then return redis.error_reply('ZOOCACHE_SERVER INFO replication tells no master_replid') end
  run = match(call('INFO', 'server'), 'run_id:(%w+)') or '-'
  if leaps then
    -- Trusted to have lost nothing that it acknowledged: the same epoch, above whatever else was lost.
    last = math.max(last, nowMs * 1024, isCallers and cursor or 0) + tonumber(leap)
  else
    local seen = tonumber(match(ARGV[1], '^%d+') or 0)
    local ordinal = math.max(math.floor(nowMs / 1000), tonumber(match(epoch or '0', '^%d+')) + 1, seen + 1)
    if ordinal >= 1e13 then return redis.error_reply('ZOOCACHE_USED_UP no epoch is above that of the caller') end
    last = math.max(nowMs * 1024, last + 1, cursor + 1)
    epoch, floors, isCallers = format('%.0f', ordinal) .. ' ' .. nonce, '0 0', false
  end
  head = format('%.0f', last)
end
if #head > 15 and tonumber(head) > 9007199254740000 then
  return redis.error_reply('ZOOCACHE_USED_UP no version is above ' .. head)
end
`
}

/** Sets `nowMs` and `nowUs`. */
export const CLOCK = `
  local time = call('TIME')
  nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
  nowUs = time[1] * 1000000 + time[2]
`

/** The first write of a life, or of a server that goes on with one. */
export const SAVE = `
  call('HSET', KEYS[1], 'epoch', epoch, 'life', life, 'head', head, 'floors', floors, 'replid', replid, 'run', run)
  if begins then
    call('UNLINK', KEYS[2], KEYS[3])
    call('ZADD', KEYS[2], 0, '!')
    call('ZADD', KEYS[3], 0, '!')
  end
`
