-- Append an entry to the ledger (KEYS[2]) beside a document (KEYS[1]), and keep both. Answers its number, 0 where no document is.
local entry, kept = unpack(ARGV)

if redis.call('PEXPIRE', KEYS[1], kept) == 0 then
    return 0
end
local number = redis.call('RPUSH', KEYS[2], entry)
redis.call('PEXPIRE', KEYS[2], kept)
return number
