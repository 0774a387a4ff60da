-- How the log stands, for a reader in another process; with `watched` somebody follows it there, with `whole` its sum too.
local state, events, text, tools = unpack(KEYS)
local watched, whole, kept = unpack(ARGV)

local known = redis.call('HMGET', state, 'epoch', 'seq', 'first', 'done', 'lease', 'began', 'step')
if not known[1] then
    return false
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if watched == '1' then
    -- A Redis that takes nothing, for it is full or a replica, tells all the same how things stand.
    redis.pcall('HSET', state, 'watched', now)
    if known[4] then
        for _, key in ipairs(KEYS) do
            redis.pcall('PEXPIRE', key, kept)
        end
    end
end
local sum, results = '', {}
if whole == '1' then
    sum = redis.call('GET', text) or ''
    results = redis.call('LRANGE', tools, 0, -1)
end
return { known[1], tonumber(known[2]), tonumber(known[3]), known[4] and 1 or 0, known[5] - now, now - known[6],
    tonumber(known[7]), sum, results }
