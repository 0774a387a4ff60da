-- Answers the SHA-1 of the document ('': where none is), without using it.
local there = redis.call('GET', KEYS[1])
return there and redis.sha1hex(there) or ''
