-- Become the producer of a run whose producer let its lease lapse. Answers the new fence, or 0 when that is not so.
local state = KEYS[1]
local epoch, hub, lease = unpack(ARGV)

local known = redis.call('HMGET', state, 'epoch', 'done', 'lease', 'hub')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if known[1] ~= epoch or known[2] or (tonumber(known[3]) >= now and known[4] ~= hub) then
    return 0
end
redis.call('HSET', state, 'hub', hub, 'lease', now + lease)
return redis.call('HINCRBY', state, 'fence', 1)
