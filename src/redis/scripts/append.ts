import { stateScript } from "./state.js"

/**
 * Gives all changes of one append one version, forgets the oldest above the budgets, and rings.
 *
 * ARGV: 6 and 7 how many tags and keys are remembered, 8 the channel, 9 what the doorbell says besides, 10 how many of the
 * members are tags, 11… the members, tags first
 *
 * Replies `<epoch> <life> <version> <previous head> <doorbell>`; the last is `-`, or why it could not be rung.
 */
export const APPEND = `${stateScript({ trustsCaller: true })}
if not nowMs then clock() end
local previous = head
head = text(math.max(nowMs * 1024, head + 1))
if begins or leaps then save() else redis.call('HSET', KEYS[1], 'head', head) end
if begins then clear() end

-- Tells how many are new. In parts: Lua passes a few thousand arguments at most.
local function add(key, first, last)
  local part, size, added = {}, 0, 0
  for index = first, last do
    part[size + 1], part[size + 2] = head, ARGV[index]
    size = size + 2
    if size == 2000 or index == last then
      added = added + redis.call('ZADD', key, 'GT', unpack(part, 1, size))
      size = 0
    end
  end
  return added
end

-- The newest version that has to go, so that no more than so many are left. The seal, of score 0, is the first of all.
local function newestTooMany(key, most)
  local excess = redis.call('ZCARD', key) - 1 - most
  if excess <= 0 then return nil end
  return text(tonumber(redis.call('ZRANGE', key, excess, excess, 'WITHSCORES')[2]))
end

local tags = tonumber(ARGV[10])
local tagsTo, keysTo
if #ARGV == 11 then
  -- One change, as most appends have.
  local key = tags == 1 and KEYS[2] or KEYS[3]
  if redis.call('ZADD', key, 'GT', head, ARGV[11]) > 0 then
    if tags == 1 then tagsTo = newestTooMany(key, ARGV[6]) else keysTo = newestTooMany(key, ARGV[7]) end
  end
else
  if tags > 0 and add(KEYS[2], 11, 10 + tags) > 0 then
    tagsTo = newestTooMany(KEYS[2], ARGV[6])
  end
  if #ARGV > 10 + tags and add(KEYS[3], 11 + tags, #ARGV) > 0 then
    keysTo = newestTooMany(KEYS[3], ARGV[7])
  end
end
if tagsTo or keysTo then
  -- The floor rises first: should a removal be refused, more is remembered than is said, never less.
  local floor, keyFloor = string.match(floors, '(%d+) (%d+)')
  floors = (tagsTo or floor) .. ' ' .. (keysTo or keyFloor)
  redis.call('HSET', KEYS[1], 'floors', floors)
  if tagsTo then redis.call('ZREMRANGEBYSCORE', KEYS[2], '(0', tagsTo) end
  if keysTo then redis.call('ZREMRANGEBYSCORE', KEYS[3], '(0', keysTo) end
end

local reply = epoch .. ' ' .. life .. ' ' .. head .. ' ' .. previous .. ' '
-- The invalidation holds, whether or not it can be announced.
local rung = redis.pcall('PUBLISH', ARGV[8], reply .. ARGV[9])
return reply .. (type(rung) == 'table' and rung.err or '-')
`
