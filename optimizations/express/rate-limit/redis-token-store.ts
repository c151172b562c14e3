import type { Cluster, Redis } from 'ioredis'
import { runScript, script } from '#optimizations/cache/redis/script-runner.ts'
import type { TokenStore } from './token-store.ts'

/**
 * By the clock of Redis, which all processes share. The bucket is forgotten once it would be full again.
 * KEYS: the bucket. ARGV: tokens per millisecond, burst, tokens asked for. Answers tokens granted and milliseconds to wait.
 */
const TAKE = script(`
local rate, burst, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local granted = math.min(asked, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate) + 1000)
if granted > 0 then return { granted, 0 } end
return { 0, math.ceil((1 - tokens) / rate) }`)

/**
 * A bucket that has been forgotten is full already.
 * KEYS: the bucket. ARGV: tokens per millisecond, burst, tokens to put back.
 */
const GIVE_BACK = script(`
local rate, burst, given = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
if not bucket[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local tokens = math.min(burst, tonumber(bucket[1]) + math.max(0, now - tonumber(bucket[2])) * rate + given)
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate) + 1000)
return 1`)

/** Buckets in Redis. */
export function createRedisTokenStore(redis: Redis | Cluster, namespace: string): TokenStore {
  const bucketKey = (key: string): string => `${namespace}:limit:${key}`
  return {
    async take(key, tokens, { tokensPerSec, burst }) {
      const answer = await runScript(redis, TAKE, [bucketKey(key)], [tokensPerSec / 1_000, burst, tokens])
      const [granted, retryAfterMs] = answer as [number, number]
      return { granted, retryAfterMs }
    },
    async giveBack(key, tokens, { tokensPerSec, burst }) {
      await runScript(redis, GIVE_BACK, [bucketKey(key)], [tokensPerSec / 1_000, burst, tokens])
    },
  }
}
