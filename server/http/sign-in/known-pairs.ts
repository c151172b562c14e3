import type { Cluster, Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import type { OptionalStore } from '#server/http/rate-limit/optional-store.ts'

/** Which names have signed in from which addresses, by opaque ids. */
export interface KnownPairs {
  has(id: string): Promise<boolean>
  remember(id: string): Promise<void>
}

const REMEMBER_SEC = 30 * 24 * 3_600
const MAX_LOCAL = 10_000

/** In Redis, for all processes; this one remembers its own for the time when Redis is away. */
export function createRedisKnownPairs(
  store: OptionalStore,
  { redis, namespace }: { readonly redis: Redis | Cluster; readonly namespace: string },
): KnownPairs {
  const own = new LRUCache<string, true>({ max: MAX_LOCAL, ttl: REMEMBER_SEC * 1_000 })
  const keyOf = (id: string): string => `${namespace}:signed-in:${id}`
  return {
    async has(id) {
      if (own.has(id)) return true
      return (await store.ask(() => redis.exists(keyOf(id)))) === 1
    },
    async remember(id) {
      own.set(id, true)
      await store.ask(() => redis.set(keyOf(id), '', 'EX', REMEMBER_SEC))
    },
  }
}
