-- Put the document in the place of the one whose SHA-1 is `mark` ('': where none is). Answers whether it is there now.
local mark, document, kept = unpack(ARGV)

local there = redis.call('GET', KEYS[1])
if (there and redis.sha1hex(there) or '') ~= mark and there ~= document then
    return 0
end
redis.call('SET', KEYS[1], document, 'PX', kept)
return 1
