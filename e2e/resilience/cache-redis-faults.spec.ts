import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cache } from '#optimizations/cache/cache.ts'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import { startFaultProxy, type FaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import type { Own, OwnServices } from '#fixtures/services/own-services.ts'
import type { RedisService } from '#fixtures/services/redis/redis-service.ts'
import { expect, test } from '#fixtures/test.ts'

const LOADER_MS = 20
/** How long the cache waits for an answer of Redis before it takes it for away. */
const COMMAND_TIMEOUT_MS = 250
const READERS = 10

interface Fault {
  readonly name: string
  readonly begin: (redis: Own<RedisService>, proxy: FaultProxy) => Promise<unknown>
  readonly end: (redis: Own<RedisService>, proxy: FaultProxy) => Promise<unknown>
}

/** The faults that end are ended by what was returned when they began. */
function proxied(name: string, kind: 'drop' | 'latency' | 'refuse'): Fault {
  let active: AsyncDisposable | undefined
  return {
    name,
    begin: async (_redis, proxy) => {
      active = await proxy.inject(kind === 'latency' ? { kind, ms: 2_000 } : { kind })
      if (kind === 'refuse') proxy.reset()
    },
    end: async () => active?.[Symbol.asyncDispose](),
  }
}

const FAULTS: readonly Fault[] = [
  {
    name: 'is frozen',
    begin: async ({ process }) => process.freeze(),
    end: async ({ process }) => process.thaw(),
  },
  {
    name: 'is killed',
    begin: async ({ process }) => process.kill(),
    end: async ({ process }) => process.restart(),
  },
  proxied('refuses connections', 'refuse'),
  proxied('answers two seconds late', 'latency'),
  proxied('is behind a black hole', 'drop'),
]

/** Readers that never stop, and what they saw: what each read took beyond its loader, and how many failed. */
class Traffic implements AsyncDisposable {
  beyondMs: number[] = []
  failures = 0
  reads = 0
  readonly #cache: Cache
  readonly #readers: Promise<void>[]
  readonly #stalls = monitorEventLoopDelay({ resolution: 5 })
  #isStopped = false

  constructor(cache: Cache) {
    this.#cache = cache
    this.#stalls.enable()
    this.#readers = Array.from({ length: READERS }, (_, reader) => this.#run(reader))
  }

  get worstMs(): number {
    return Math.max(0, ...this.beyondMs)
  }

  get p95Ms(): number {
    return this.beyondMs.toSorted((one, other) => one - other)[Math.floor(this.beyondMs.length * 0.95)] ?? Infinity
  }

  /** The longest that this process itself was held up by its machine. */
  get stalledMs(): number {
    return this.#stalls.max / 1e6
  }

  reset(): void {
    this.beyondMs = []
    this.reads = 0
    this.#stalls.reset()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#readers)
  }

  async #run(reader: number): Promise<void> {
    for (let count = 0; !this.#isStopped; count += 1) {
      let loadedMs = 0
      const begun = performance.now()
      try {
        await this.#cache.getOrSet(cacheKey('traffic', reader, count % 50), async () => {
          const loading = performance.now()
          await sleep(LOADER_MS)
          loadedMs = performance.now() - loading
          return count
        })
      } catch {
        this.failures += 1
      }
      this.reads += 1
      this.beyondMs.push(performance.now() - begun - loadedMs)
      await sleep(1)
    }
  }
}

async function startBehindProxy(ownServices: OwnServices) {
  const redis = await ownServices.redis()
  const proxy = await startFaultProxy(redis.url)
  const cache = await startCache({
    url: proxy.through(redis.url),
    namespace: 'faults',
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
  })
  return {
    redis,
    proxy,
    cache,
    [Symbol.asyncDispose]: async () => {
      await cache.stop()
      await proxy[Symbol.asyncDispose]()
      await redis.stop()
    },
  }
}

for (const fault of FAULTS) {
  test(`when Redis ${fault.name}, no read fails or waits for it, and the cache comes back by itself`, async ({
    ownServices,
  }) => {
    test.setTimeout(60_000)
    await using rig = await startBehindProxy(ownServices)
    const { redis, proxy, cache } = rig
    await using traffic = new Traffic(cache)
    await expect.poll(() => cache.stats().hits).toBeGreaterThan(100)
    await fault.begin(redis, proxy)
    await expect.poll(async () => (await cache.health()).status).toBe('unhealthy')
    // From here on it is known that Redis is away: a read costs what its loader costs.
    await expect.poll(() => cache.stats().refused).toBeGreaterThan(0)
    const atWorst = traffic.worstMs
    const { errors } = cache.stats()
    traffic.reset()
    await expect.poll(() => traffic.reads).toBeGreaterThan(200)
    // Were Redis waited for, most reads would take long; did one command of it get through, one as long as a command may.
    expect(traffic.p95Ms).toBeLessThan(COMMAND_TIMEOUT_MS / 2)
    expect(traffic.worstMs - traffic.stalledMs).toBeLessThan(COMMAND_TIMEOUT_MS)
    // Nobody's read was sent, so nobody's failed.
    expect(cache.stats().errors).toBe(errors)
    test.info().annotations.push({
      type: 'worst read',
      description: `${atWorst.toFixed()} ms, then ${traffic.worstMs.toFixed()} ms`,
    })
    const ended = await cache.delete(cacheKey('traffic', 0, 0))
    expect(ended.acknowledged).toBe(false)
    await fault.end(redis, proxy)
    const begun = performance.now()
    await expect.poll(async () => (await cache.health()).status, { intervals: [20], timeout: 15_000 }).toBe('healthy')
    test.info().annotations.push({ type: 'recovery', description: `${(performance.now() - begun).toFixed()} ms` })
    const { hits } = cache.stats()
    await expect.poll(() => cache.stats().hits).toBeGreaterThan(hits + 100)
    expect(await cache.delete(cacheKey('traffic', 0, 0))).toMatchObject({ acknowledged: true })
    expect(traffic.failures).toBe(0)
  })
}
