-- Events `seq` + 1 and on, and what leaves the log for them. A repeated call, whose first answer was lost, changes nothing.
local state, events, text, tools = unpack(KEYS)
local epoch, fence, seq, lease, kept, first, reset, step, sum, done, results = unpack(ARGV)
local before = 11 + results

local known = redis.call('HMGET', state, 'epoch', 'fence', 'seq', 'first')
if not known[1] then
    return 'missing'
end
if known[1] ~= epoch or known[2] ~= fence then
    return 'fenced'
end
local last = seq + #ARGV - before
if tonumber(known[3]) < tonumber(seq) then
    return 'behind' -- Redis came back with older data
end
if tonumber(known[3]) == tonumber(seq) then
    for i = before + 1, #ARGV do
        redis.call('XADD', events, string.format('%.0f-0', seq + i - before), 'e', ARGV[i])
    end
    if tonumber(first) > tonumber(known[4]) then
        redis.call('XTRIM', events, 'MINID', first .. '-0')
        if reset == '1' then
            redis.call('DEL', text)
        end
        if sum ~= '' then
            redis.call('APPEND', text, sum)
        end
        for i = 12, before do
            redis.call('RPUSH', tools, ARGV[i])
        end
        redis.call('HSET', state, 'first', first, 'step', step)
    end
    redis.call('HSET', state, 'seq', last)
    if done == '1' then
        redis.call('HSET', state, 'done', 1)
    end
end
local time = redis.call('TIME')
redis.call('HSET', state, 'lease', time[1] * 1000 + math.floor(time[2] / 1000) + lease)
for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, kept)
end
return 'ok'
