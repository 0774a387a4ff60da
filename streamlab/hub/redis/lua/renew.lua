-- The producer lives. Answers how things stand and how many milliseconds ago another process last followed (-1: never).
local state = KEYS[1]
local epoch, fence, seq, lease, kept, followed = unpack(ARGV)

local known = redis.call('HMGET', state, 'epoch', 'fence', 'seq', 'done', 'watched')
if not known[1] then
    return { 'missing', -1 }
end
if known[1] ~= epoch or known[2] ~= fence then
    return { 'fenced', -1 }
end
if tonumber(known[3]) < tonumber(seq) then
    return { 'behind', -1 }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not known[4] then
    redis.call('HSET', state, 'lease', now + lease)
end
if not known[4] or followed == '1' then
    for _, key in ipairs(KEYS) do
        redis.call('PEXPIRE', key, kept)
    end
end
return { 'ok', known[5] and now - known[5] or -1 }
