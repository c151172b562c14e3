import type { Cluster, Redis } from 'ioredis'
import { parseRedisUrl } from '#optimizations/cache/redis/redis-target.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'

/** What is asked here can be done without Redis, and must not wait for it. */
const LIMITS = { connectTimeoutMs: 1_000, commandTimeoutMs: 250 } as const

/**
 * A connection for what can be done without Redis, as rate limits can. Resolves also when Redis is away: it is tried
 * again in the background, and what is asked meanwhile fails at once.
 */
export async function connectRedis(url: string): Promise<Redis | Cluster> {
  // Loaded here, so that whoever limits nothing by Redis needs no ioredis.
  const { createDataClient } = await import('#optimizations/cache/redis/redis-connection.ts')
  const redis = createDataClient(parseRedisUrl(url), LIMITS, systemRandom)
  // Whoever sends a command is told.
  redis.on('error', () => undefined)
  await redis.connect().catch(() => undefined)
  return redis
}
