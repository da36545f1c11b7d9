-- Reads the record of a lease and, if it still is what the caller saw, writes another one.
--
-- KEYS[1]: the key
-- ARGV[1]: the server on which the caller saw it; empty: only read
-- ARGV[2]: what it saw: '-' for nothing, or '+' and the bytes
-- ARGV[3]: what to write
-- ARGV[4]: the longest record that is returned
-- ARGV[5]: '1': end with a write in any case, which changes nothing, so that the caller can wait for a replica
--
-- Returns: run ID, replication ID, mode, role, primary of a replica, replicas that have confirmed something, whether
-- ARGV[3] was written, how long the record is, and the record, or nil.
local function failed(reply)
    return type(reply) == 'table' and reply.err
end

local server = redis.pcall('INFO', 'server')
if failed(server) then return server end
local replication = redis.pcall('INFO', 'replication')
if failed(replication) then return replication end

local function field(text, name)
    return string.match(text, '\n' .. name .. ':([^\r\n]*)') or ''
end

local online = 0
for offset in string.gmatch(replication, '\nslave%d+:[^\r\n]*state=online,offset=(%d+)') do
    if tonumber(offset) > 0 then online = online + 1 end
end

local run, set = field(server, 'run_id'), field(replication, 'master_replid')
local mode, role = field(server, 'redis_mode'), field(replication, 'role')
local primary = ''
if role ~= 'master' then
    primary = field(replication, 'master_host') .. ' ' .. field(replication, 'master_port')
end
local answer = {run, set, mode, role, primary, online, 0, 0, false}
if role ~= 'master' or mode == 'cluster' then return answer end

local length = redis.pcall('STRLEN', KEYS[1])
if failed(length) then return length end
answer[8] = length
if length > tonumber(ARGV[4]) then return answer end
local record = redis.pcall('GET', KEYS[1])
if failed(record) then return record end
answer[9] = record

local seen = '-'
if record then seen = '+' .. record end
if ARGV[1] == run .. ':' .. set and ARGV[2] == seen then
    local written = redis.pcall('SET', KEYS[1], ARGV[3])
    if failed(written) then return written end
    answer[7], answer[8], answer[9] = 1, string.len(ARGV[3]), ARGV[3]
elseif ARGV[5] == '1' then
    local touched
    if record then
        touched = redis.pcall('SET', KEYS[1], record, 'KEEPTTL')
    else
        touched = redis.pcall('SET', KEYS[1], '')
        if not failed(touched) then touched = redis.pcall('DEL', KEYS[1]) end
    end
    if failed(touched) then return touched end
end
return answer
