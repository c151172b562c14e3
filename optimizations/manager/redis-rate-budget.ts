import { runScript, script } from '#optimizations/cache/redis/script-runner.ts'
import type { SharedRateLimit } from '#optimizations/pusher/shared-rate-limit.ts'
import type { PublisherRedis } from './publisher-redis.ts'

export interface RateBudgetOptions {
  /** Processes that use the same name share the budget. */
  readonly name: string
  readonly callsPerSecond: number
  readonly burst: number
}

/**
 * The generic cell rate algorithm (ITU-T I.371): kept is only the time at which everything reserved so far is due. By the
 * clock of Redis, which all processes share. KEYS: the budget. ARGV: tokens a millisecond, burst, tokens asked for, and
 * for what is spare how many have to be left; without them a reservation stands whatever is left. Answers the
 * milliseconds until the tokens may be used, or until it is worth asking again for what is spare.
 */
const RESERVE = script(`
local rate, burst, asked, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now - burst / rate) + asked / rate
if kept then
  local early = due - now + kept / rate
  if early > 0 then return math.ceil(early) end
end
redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(math.max(0, due - now) + burst / rate) + 1000)
return math.ceil(math.max(0, due - now))`)

/** The publisher's rate limit, shared by all processes on one Redis. */
export function createRedisRateBudget(
  redis: Pick<PublisherRedis, 'ask'>,
  { name, callsPerSecond, burst }: RateBudgetOptions,
): SharedRateLimit {
  const reserve = (...tokens: readonly number[]): Promise<number> =>
    redis.ask(async (client) =>
      Number(await runScript(client, RESERVE, [name], [callsPerSecond / 1_000, burst, ...tokens])),
    )
  return {
    reserve: (tokens) => reserve(tokens),
    takeSpare: (tokens, kept) => reserve(tokens, kept),
  }
}
