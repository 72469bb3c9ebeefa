import { CLOCK, SAVE, stateScript } from "./state.js"

/**
 * Gives all changes of one append one version, forgets the oldest above the budgets, and rings.
 *
 * ARGV: 5 how many tags and how many keys are remembered, `<tags> <keys>`, 6 the channel, 7 what the doorbell says besides,
 * 8… the members, tags first: their letter tells
 *
 * Replies `<epoch> <life> <version> <previous head> <doorbell>`; the last is `-`, or why it could not be rung.
 */
export const APPEND = `${stateScript({ trustsCaller: true })}
if not nowMs then
  ${CLOCK}
end
local previous = head
head = format('%.0f', math.max(nowMs * 1024, head + 1))
if begins or leaps then
  ${SAVE}
else
  call('HSET', KEYS[1], 'head', head)
end

local newTags, newKeys = 0, 0
if #ARGV == 8 then
  -- One change, as most appends have.
  if find(ARGV[8], '^[tTeE]') then
    newTags = call('ZADD', KEYS[2], 'GT', head, ARGV[8])
  else
    newKeys = call('ZADD', KEYS[3], 'GT', head, ARGV[8])
  end
elseif #ARGV > 8 then
  -- In parts: Lua passes a few thousand arguments at most.
  local function add(key, first, last)
    local part, size, added = {}, 0, 0
    for index = first, last do
      part[size + 1], part[size + 2] = head, ARGV[index]
      size = size + 2
      if size == 2000 or index == last then
        added = added + call('ZADD', key, 'GT', unpack(part, 1, size))
        size = 0
      end
    end
    return added
  end
  local tagsEnd = #ARGV
  while tagsEnd > 7 and not find(ARGV[tagsEnd], '^[tTeE]') do tagsEnd = tagsEnd - 1 end
  newTags = add(KEYS[2], 8, tagsEnd)
  newKeys = add(KEYS[3], tagsEnd + 1, #ARGV)
end
if newTags + newKeys > 0 then
  -- The newest version that has to go, so that no more than so many are left. The seal, of score 0, is the first of all.
  local function newestTooMany(key, most)
    local excess = call('ZCARD', key) - 1 - most
    if excess <= 0 then return nil end
    return format('%.0f', tonumber(call('ZRANGE', key, excess, excess, 'WITHSCORES')[2]))
  end
  local maxTags, maxKeys = match(ARGV[5], '(%d+) (%d+)')
  local tagsTo = newTags > 0 and newestTooMany(KEYS[2], maxTags)
  local keysTo = newKeys > 0 and newestTooMany(KEYS[3], maxKeys)
  if tagsTo or keysTo then
    -- The floor rises first: should a removal be refused, more is remembered than is said, never less.
    local floor, keyFloor = match(floors, '(%d+) (%d+)')
    call('HSET', KEYS[1], 'floors', (tagsTo or floor) .. ' ' .. (keysTo or keyFloor))
    if tagsTo then call('ZREMRANGEBYSCORE', KEYS[2], '(0', tagsTo) end
    if keysTo then call('ZREMRANGEBYSCORE', KEYS[3], '(0', keysTo) end
  end
end

local reply = epoch .. ' ' .. life .. ' ' .. head .. ' ' .. previous .. ' '
-- The invalidation holds, whether or not it can be announced.
local rung = redis.pcall('PUBLISH', ARGV[6], reply .. ARGV[7])
return reply .. (type(rung) == 'table' and rung.err or '-')
`
