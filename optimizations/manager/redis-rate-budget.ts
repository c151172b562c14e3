import { createDataClient } from '#optimizations/cache/redis/redis-connection.ts'
import { parseRedisUrl } from '#optimizations/cache/redis/redis-target.ts'
import { runScript, script } from '#optimizations/cache/redis/script-runner.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { SharedRateLimit } from '#optimizations/pusher/rate-limiter.ts'

export interface RateBudgetOptions {
  readonly url: string
  /** Processes that use the same name share the budget. */
  readonly name: string
  readonly callsPerSecond: number
  readonly burst: number
}

/** The publisher's rate limit, shared by all processes on one Redis. */
export interface RateBudget extends SharedRateLimit, AsyncDisposable {
  /** Resolves also when Redis is away: it is tried again in the background. */
  start(): Promise<void>
}

/**
 * The generic cell rate algorithm (ITU-T I.371): kept is only the time at which everything reserved so far is due. By the
 * clock of Redis, which all processes share. KEYS: the budget. ARGV: tokens a millisecond, burst, tokens asked for.
 */
const RESERVE = script(`
local rate, burst, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now - burst / rate) + asked / rate
redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(math.max(0, due - now) + burst / rate) + 1000)
return math.ceil(math.max(0, due - now))`)

const LIMITS = { connectTimeoutMs: 1_000, commandTimeoutMs: 250 } as const
/** After a failure Redis is left alone for so long, or a frozen one would hold up every batch. */
const PAUSE_MS = 1_000

export function createRedisRateBudget(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  { url, name, callsPerSecond, burst }: RateBudgetOptions,
): RateBudget {
  const redis = createDataClient(parseRedisUrl(url), LIMITS, random)
  // Whoever reserves is told.
  redis.on('error', () => undefined)
  let pausedUntil = Number.NEGATIVE_INFINITY
  return {
    start: () => redis.connect().catch(() => undefined),
    async reserve(tokens) {
      if (clock.monotonic() < pausedUntil) throw new Error('Redis is left alone after a failure')
      try {
        return Number(await runScript(redis, RESERVE, [name], [callsPerSecond / 1_000, burst, tokens]))
      } catch (error) {
        pausedUntil = clock.monotonic() + PAUSE_MS
        throw error
      }
    },
    [Symbol.asyncDispose]: async () => redis.disconnect(),
  }
}
