import type { Cluster, Redis } from 'ioredis'
import { createDataClient } from '#optimizations/cache/redis/redis-connection.ts'
import { parseRedisUrl } from '#optimizations/cache/redis/redis-target.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'

/** The connection of what publishers share. Nothing that is asked of it may hold them up. */
export interface PublisherRedis extends AsyncDisposable {
  /** Resolves also when Redis is away: it is tried again in the background. */
  start(): Promise<void>
  /** Rejects when Redis does not answer, and for a while after that without asking. */
  ask<T>(question: (redis: Redis | Cluster) => Promise<T>): Promise<T>
}

const LIMITS = { connectTimeoutMs: 1_000, commandTimeoutMs: 250 } as const
/** After a failure Redis is left alone for so long, or a frozen one would hold up every batch. */
const PAUSE_MS = 1_000

export function createPublisherRedis(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  url: string,
): PublisherRedis {
  const redis = createDataClient(parseRedisUrl(url), LIMITS, random)
  // Whoever asks is told.
  redis.on('error', () => undefined)
  let pausedUntil = Number.NEGATIVE_INFINITY
  return {
    start: () => redis.connect().catch(() => undefined),
    async ask(question) {
      if (clock.monotonic() < pausedUntil) throw new Error('Redis is left alone after a failure')
      try {
        return await question(redis)
      } catch (error) {
        pausedUntil = clock.monotonic() + PAUSE_MS
        throw error
      }
    },
    [Symbol.asyncDispose]: async () => redis.disconnect(),
  }
}
