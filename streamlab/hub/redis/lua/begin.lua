-- A log's first call, or the first after Redis lost it: what came before `seq` is known in sum, its events follow.
-- Answers the fence, or 0 when the run belongs to another producer. A repeated call changes nothing that counts.
local state, events, text, tools = unpack(KEYS)
local epoch, hub, lease, kept, age, seq, step, sum = unpack(ARGV)

local known = redis.call('HMGET', state, 'epoch', 'hub')
if known[1] and (known[1] ~= epoch or known[2] ~= hub) then
    return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', state, events, text, tools)
redis.call('HSET', state, 'epoch', epoch, 'hub', hub, 'began', now - age, 'lease', now + lease,
    'seq', seq, 'first', seq + 1, 'step', step)
if sum ~= '' then
    redis.call('SET', text, sum, 'PX', kept)
end
for i = 9, #ARGV do
    redis.call('RPUSH', tools, ARGV[i])
end
for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, kept)
end
return redis.call('HINCRBY', state, 'fence', 1)
