-- Enter the names, which come after each roll's time and limit, into all rolls, or none when one is full.
-- Answers nothing, or the number of the full one and in how many milliseconds the first in it lapses.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local names = 2 * #KEYS + 1

for i, roll in ipairs(KEYS) do
    local limit = tonumber(ARGV[2 * i])
    redis.call('ZREMRANGEBYSCORE', roll, '-inf', now)
    if limit >= 0 and redis.call('ZCARD', roll) >= limit and not redis.call('ZSCORE', roll, ARGV[names]) then
        return { i, redis.call('ZRANGE', roll, 0, 0, 'WITHSCORES')[2] - now }
    end
end
for i, roll in ipairs(KEYS) do
    local kept = ARGV[2 * i - 1]
    for j = names, #ARGV do
        redis.call('ZADD', roll, now + kept, ARGV[j])
    end
    redis.call('PEXPIRE', roll, kept)
end
return {}
