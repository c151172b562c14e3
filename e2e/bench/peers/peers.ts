import { Redis } from 'ioredis'
// This folder is a package of its own, where the paths of the project are not known.
import type { Peer } from '../../../fixtures/services/redis/bench/compare-peers.ts'

const TTL_MS = 3_600_000
const MAX_ITEMS = 10_000

/** What is installed in this folder only is not known to the compiler. */
async function load<T>(specifier: string): Promise<T> {
  return (await import(specifier)) as T
}

function connect(url: string, owned: AsyncDisposableStack): Redis {
  const redis = new Redis(url)
  owned.defer(() => redis.disconnect())
  return redis
}

interface Bento {
  BentoCache: new (options: object) => {
    getOrSet(options: object): Promise<unknown>
    disconnect(): Promise<void>
  }
  bentostore(): { useL1Layer(driver: unknown): object; useL2Layer(driver: unknown): object }
}

const bentocache: Peer = {
  name: 'bentocache',
  start: async (tier, { url, load: source }, owned) => {
    const { BentoCache, bentostore } = await load<Bento>('bentocache')
    const { memoryDriver } = await load<{ memoryDriver(options: object): unknown }>('bentocache/drivers/memory')
    const { redisDriver } = await load<{ redisDriver(options: object): unknown }>('bentocache/drivers/redis')
    const store =
      tier === 'memory'
        ? bentostore().useL1Layer(memoryDriver({ maxItems: MAX_ITEMS }))
        : bentostore().useL2Layer(redisDriver({ connection: connect(url, owned) }))
    const cache = new BentoCache({ default: 'only', stores: { only: store } })
    return { get: (key) => cache.getOrSet({ key, ttl: TTL_MS, factory: () => source(key) }) }
  },
}

interface LayeredLoader {
  Loader: new (options: object) => {
    get(key: string): Promise<unknown>
    getMany(keys: readonly string[]): Promise<unknown>
  }
  RedisCache: new (redis: Redis, options: object) => unknown
}

const layeredLoader: Peer = {
  name: 'layered-loader',
  start: async (tier, { url, load: source }, owned) => {
    const { Loader, RedisCache } = await load<LayeredLoader>('layered-loader')
    const redis = (): unknown =>
      new RedisCache(connect(url, owned), { json: true, prefix: 'layered', ttlInMsecs: TTL_MS })
    const loader = new Loader({
      ...(tier === 'memory'
        ? { inMemoryCache: { cacheType: 'lru-object', ttlInMsecs: TTL_MS, maxItems: MAX_ITEMS } }
        : { asyncCache: redis() }),
      dataSources: [{ name: 'source', get: async (key: string) => source(key), getMany: async () => [] }],
      cacheKeyFromValueResolver: ({ page }: { readonly page: number }) => `raw:page:~${page}`,
    })
    return { get: (key) => loader.get(key), getMany: (keys) => loader.getMany(keys) }
  },
}

interface AsyncCacheDedupe {
  createCache(options: object): {
    define(name: string, load: (key: string) => Promise<unknown>): void
    read(key: string): Promise<unknown>
  }
}

const asyncCacheDedupe: Peer = {
  name: 'async-cache-dedupe',
  start: async (tier, { url, load: source }, owned) => {
    const { createCache } = await load<AsyncCacheDedupe>('async-cache-dedupe')
    const storage =
      tier === 'memory'
        ? { type: 'memory', options: { size: MAX_ITEMS } }
        : { type: 'redis', options: { client: connect(url, owned) } }
    const cache = createCache({ ttl: TTL_MS / 1_000, storage })
    cache.define('read', async (key) => source(key))
    return { get: (key) => cache.read(key) }
  },
}

interface CacheManager {
  createCache(options: object): {
    wrap(key: string, source: () => unknown): Promise<unknown>
    mget(keys: readonly string[]): Promise<unknown>
    disconnect(): Promise<void>
  }
}

const cacheManager: Peer = {
  name: 'cache-manager',
  start: async (tier, { url, load: source }, owned) => {
    const { createCache } = await load<CacheManager>('cache-manager')
    const { Keyv } = await load<{ Keyv: new (options?: object) => unknown }>('keyv')
    const { default: KeyvRedis } = await load<{ default: new (url: string) => unknown }>('@keyv/redis')
    const store = tier === 'memory' ? new Keyv() : new Keyv({ store: new KeyvRedis(url) })
    const cache = createCache({ ttl: TTL_MS, stores: [store] })
    owned.defer(() => cache.disconnect())
    return { get: (key) => cache.wrap(key, () => source(key)), getMany: (keys) => cache.mget(keys) }
  },
}

export const PEERS: readonly Peer[] = [bentocache, layeredLoader, asyncCacheDedupe, cacheManager]
