import { SAVE, stateScript } from "./state.js"

/**
 * Replies with a page of the changes above the cursor, in whole versions: no version goes on in the next page.
 *
 * ARGV: 5 the epoch of the page before (or empty), 6 the version at which that ended, 7 how many changes a page should have
 *
 * Replies `<epoch> <life> <head> <floor> <key floor> <where the next page begins, or ->`, and then the changes: a version, as
 * `@<version>`, goes before those that have it. A page of another epoch than the one before begins anew.
 */
export const PULL = `${stateScript({ trustsCaller: false })}
if begins or leaps then
  ${SAVE}
end

local function text(number)
  return format('%.0f', number)
end
local from = '0'
if ARGV[5] == epoch then
  from = ARGV[6]
elseif isCallers then
  from = ARGV[2]
end
local reply = { '' }
local bound
if from ~= head then
  local size, told = 1, nil
  local function tell(member, version)
    if version ~= told then
      size = size + 1
      reply[size] = '@' .. version
      told = version
    end
    size = size + 1
    reply[size] = member
  end
  local most = tonumber(ARGV[7])
  local pages = {}
  for index = 2, 3 do
    local page = call('ZRANGEBYSCORE', KEYS[index], '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
    pages[index] = page
    if #page == 2 * most then
      local last = tonumber(page[#page])
      if not bound or last < bound then bound = last end
    end
  end
  for index = 2, 3 do
    local page = pages[index]
    for at = 1, #page, 2 do
      local version = tonumber(page[at + 1])
      if bound and version >= bound then break end
      tell(page[at], text(version))
    end
    if bound then
      local whole = call('ZRANGEBYSCORE', KEYS[index], text(bound), text(bound))
      for at = 1, #whole do tell(whole[at], text(bound)) end
    end
  end
end
reply[1] = epoch .. ' ' .. life .. ' ' .. head .. ' ' .. floors .. ' ' .. (bound and text(bound) or '-')
return reply
`
