import type { Cluster, Redis } from 'ioredis'
import { createDataClient } from '#optimizations/cache/redis/redis-connection.ts'
import { parseRedisUrl } from '#optimizations/cache/redis/redis-target.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'

/** What is asked here can be done without Redis, and must not wait for it. */
const LIMITS = { connectTimeoutMs: 1_000, commandTimeoutMs: 250 } as const

/** The connection of rate limits and rankings. Resolves also when Redis is away: it is tried again in the background. */
export async function connectRedis(url: string): Promise<Redis | Cluster> {
  const redis = createDataClient(parseRedisUrl(url), LIMITS, systemRandom)
  // Whoever sends a command is told.
  redis.on('error', () => undefined)
  await redis.connect().catch(() => undefined)
  return redis
}
