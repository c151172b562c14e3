import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { ResolvedCacheOptions } from '../cache-options.ts'
import type { Remote } from '../remote.ts'
import { RedisBus } from './redis-bus.ts'
import { RedisCacheStore } from './redis-cache-store.ts'
import { createBusClient, createDataClient } from './redis-connection.ts'
import { RedisKeys } from './redis-keys.ts'
import { parseRedisUrl } from './redis-target.ts'

export interface RedisRemoteDependencies {
  readonly clock: Clock
  readonly random: Random
}

/** The remote tier over Redis: one connection that works, and one that listens. Nothing is connected yet. */
export function createRedisRemote(url: string, options: ResolvedCacheOptions, deps: RedisRemoteDependencies): Remote {
  const target = parseRedisUrl(url)
  const keys = new RedisKeys(options.namespace, target.database)
  const data = createDataClient(target, options, deps.random)
  // ioredis reports every attempt to reconnect; what they mean for the cache is found out by its operations.
  data.on('error', () => undefined)
  return {
    store: new RedisCacheStore(data, keys),
    createBus: (member) =>
      new RedisBus(
        { data, keys, clock: deps.clock, connect: (attempt) => createBusClient(target, options, attempt) },
        {
          member,
          memoryLeaseMs: options.memoryLeaseMs,
          markerTimeoutMs: Math.max(options.commandTimeoutMs, options.memoryLeaseMs / 2),
          usesTracking: options.tracking,
        },
      ),
    connect: async () => data.connect(),
  }
}
