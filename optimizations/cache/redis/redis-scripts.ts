import { STAMP_RANGE } from '../envelope.ts'
import { script } from './script-runner.ts'

/**
 * Every script touches keys of one slot only, except where the names of tags or the register of members are the keys.
 * A lease is held as `<token>:<versions>`: sixteen digits for each tag, so that newer compares as greater text.
 */

const VERSION_DIGITS = 16

/**
 * A version is the server's time in microseconds, or one more than the last where that is greater: a counter that was
 * evicted comes back with a number that it never had.
 */
const NEXT_VERSION = `
local function nextVersion(last)
  local time = redis.call('TIME')
  local version = time[1] * 1000000 + time[2]
  if last and tonumber(last) >= version then version = tonumber(last) + 1 end
  return string.format('%0${VERSION_DIGITS}.0f', version)
end`

const NOW_MS = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/** The oldest member of the register: its birth, as a negative score, which no expiry reaches. */
const BIRTH = '#birth'

const REGISTER = `
local born = redis.call('ZSCORE', KEYS[1], '${BIRTH}')
if not born then
  born = -now
  redis.call('ZADD', KEYS[1], born, '${BIRTH}')
end`

export const REDIS_SCRIPTS = {
  /** KEYS entry, lease. ARGV token, seen stamp, lease ms, forced, versions. 0: held, 1: granted, bytes: stored meanwhile. */
  acquire: script(`
local forced = ARGV[4] == '1'
-- A value of another type under the key is somebody else's: it is overwritten, not read.
local stamp = redis.pcall('GETRANGE', KEYS[1], ${STAMP_RANGE.from}, ${STAMP_RANGE.to})
if not forced and type(stamp) == 'string' and stamp ~= '' and stamp ~= ARGV[2] then return redis.call('GET', KEYS[1]) end
local holder = redis.call('GET', KEYS[2])
if holder and not forced and string.sub(holder, #ARGV[1] + 2) >= ARGV[5] then return 0 end
redis.call('SET', KEYS[2], ARGV[1] .. ':' .. ARGV[5], 'PX', ARGV[3])
return 1`),
  /** KEYS lease. ARGV lease, lease ms. */
  renewLease: script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`),
  /** KEYS lease. ARGV lease. */
  release: script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])`),
  /** KEYS entry, lease, tags. ARGV lease, bytes, ttl ms, the version of each tag. */
  store: script(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[2])
for i = 3, #KEYS do
  if redis.call('GET', KEYS[i]) ~= ARGV[i + 1] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`),
  /** KEYS entry, lease. ARGV bytes, ttl ms. */
  replace: script(`
redis.call('UNLINK', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`),
  /** KEYS tags. ARGV ttl ms. Answers the version of each, which it gives to those that have none. */
  versions: script(`${NEXT_VERSION}
local versions = {}
for i, tag in ipairs(KEYS) do
  versions[i] = redis.call('GET', tag)
  if versions[i] then
    -- Seldom: to those who track the tag a new expiry is a write like any other.
    if redis.call('PTTL', tag) * 2 < tonumber(ARGV[1]) then redis.call('PEXPIRE', tag, ARGV[1]) end
  else
    versions[i] = nextVersion()
    redis.call('SET', tag, versions[i], 'PX', ARGV[1])
  end
end
return versions`),
  /** KEYS tags. ARGV ttl ms. */
  bump: script(`${NEXT_VERSION}
for _, tag in ipairs(KEYS) do redis.call('SET', tag, nextVersion(redis.call('GET', tag)), 'PX', ARGV[1]) end
return 1`),
  /** KEYS register. ARGV channel, message. Answers the age of the register, the number of listeners, and the members each with what is left of its lease. */
  announce: script(`${NOW_MS}${REGISTER}
local listeners = redis.call('PUBLISH', ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now)
local members = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf', 'WITHSCORES')
for i = 2, #members, 2 do members[i] = members[i] - now end
return {now + born, listeners, members}`),
  /** KEYS register. ARGV member, lease ms, channel, marker. */
  renewMember: script(`${NOW_MS}${REGISTER}
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], 86400000)
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1`),
} as const

/** A version as the scripts write and compare it. */
export function versionText(version: number): string {
  return version.toFixed(0).padStart(VERSION_DIGITS, '0')
}
