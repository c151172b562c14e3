import type { Clock } from '#optimizations/kernel/clock.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { Health } from '#optimizations/kernel/health.ts'
import type { ResolvedCacheOptions } from './cache-options.ts'
import type { CacheStore } from './cache-store.ts'
import type { GuardedStore } from './guarded-store.ts'
import type { InvalidationBus } from './invalidation-bus.ts'
import type { Invalidator } from './invalidator.ts'
import type { LocalTier } from './local-tier.ts'

export interface CacheHealthDependencies {
  readonly store: CacheStore
  readonly guard: GuardedStore
  readonly invalidator: Invalidator
  readonly clock: Clock
  readonly local: LocalTier
  readonly bus: InvalidationBus | undefined
  readonly options: ResolvedCacheOptions
}

/**
 * Asks Redis now. Unhealthy: it does not answer, so every read loads. Degraded: it answers, and something of what the
 * cache should do is missing.
 */
export async function probeCacheHealth(deps: CacheHealthDependencies): Promise<Health> {
  const begun = deps.clock.monotonic()
  let info: Readonly<Record<string, string>>
  try {
    info = await deps.store.info()
  } catch (error) {
    return { status: 'unhealthy', reasons: [`Redis does not answer, every read loads: ${describeError(error)}`] }
  }
  const roundTripMs = deps.clock.monotonic() - begun
  const reasons = findFaults(deps)
  return { status: reasons.length === 0 ? 'healthy' : 'degraded', reasons, roundTripMs, details: describe(deps, info) }
}

function findFaults({ guard, invalidator, local, bus, options }: CacheHealthDependencies): string[] {
  const reasons: string[] = []
  if (!guard.breaker.isClosed) reasons.push('Redis is cut off until a probe succeeds')
  if (invalidator.owed > 0) reasons.push(`${invalidator.owed} invalidations have not reached Redis`)
  if (!local.isCoherent) reasons.push('Memory is not served: invalidations of other processes do not arrive')
  else if (options.tracking && bus?.seesForeignWrites === false) {
    reasons.push('Redis does not report writes that go past the cache')
  }
  return reasons
}

function describe(
  { guard, local, bus }: CacheHealthDependencies,
  info: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const number = (name: string): number => Number(info[name] ?? 0)
  return {
    breaker: guard.breaker.state,
    inFlight: guard.inFlight,
    isMemoryServed: local.isCoherent,
    seesForeignWrites: bus?.seesForeignWrites ?? false,
    version: info['redis_version'] ?? info['valkey_version'] ?? '',
    memory: {
      usedBytes: number('used_memory'),
      peakBytes: number('used_memory_peak'),
      maxBytes: number('maxmemory'),
      fragmentationRatio: number('mem_fragmentation_ratio'),
      evictionPolicy: info['maxmemory_policy'] ?? '',
    },
    connections: { connectedClients: number('connected_clients'), blockedClients: number('blocked_clients') },
    evictedKeys: number('evicted_keys'),
    expiredKeys: number('expired_keys'),
  }
}
