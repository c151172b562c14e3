import { randomBytes } from 'node:crypto'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import { CacheHeart } from './cache-heart.ts'
import { probeCacheHealth } from './cache-health.ts'
import type { ResolvedCacheOptions } from './cache-options.ts'
import type { Cache } from './cache.ts'
import { Coherence } from './coherence.ts'
import { EntryWriter } from './entry-writer.ts'
import { GuardedStore } from './guarded-store.ts'
import { EVERYTHING, type Change } from './invalidation-bus.ts'
import { Invalidator } from './invalidator.ts'
import type { Keep } from './key-flights.ts'
import { LeasedLoader } from './leased-loader.ts'
import { LocalTier, type MemoryPermit } from './local-tier.ts'
import { createProcessStore } from './process-store.ts'
import { RemoteReader } from './remote-reader.ts'
import type { Remote } from './remote.ts'
import { createStampSource } from './stamp-source.ts'
import { StatisticsRecorder } from './statistics-recorder.ts'
import { TickClock } from './tick-clock.ts'
import { TieredCache } from './tiered-cache.ts'
import { ValueCodec } from './value-codec.ts'

export interface AssemblyDependencies {
  /** Undefined: the memory of this process is all there is. */
  readonly remote: Remote | undefined
  readonly clock: Clock
  readonly random: Random
  readonly onError: (reason: string, error: unknown) => void
}

const MEMBER_BYTES = 6
/** Beats in the time of one lease of memory: one of them may be lost without harm. */
const BEATS_PER_LEASE = 3.5
const DRAIN_MS = 2_000

/** Builds a cache of its parts, connects it, and waits for its first heartbeat. */
export async function assembleCache(deps: AssemblyDependencies, options: ResolvedCacheOptions): Promise<Cache> {
  const { clock, random, onError, remote } = deps
  const statistics = new StatisticsRecorder(options.namespace, options.statistics)
  const tasks = new BackgroundTasks(onError, clock)
  const store = remote?.store ?? createProcessStore()
  const guard = new GuardedStore({ store, statistics, clock }, options)
  // Without others there is nobody to hear from.
  const permit: MemoryPermit = { validUntil: remote === undefined ? Infinity : -Infinity }
  const ticks = new TickClock(clock)
  const local = new LocalTier({ permit, guard, statistics, clock, ticks, random }, options)
  const { apply, keep, memory, flights, tags, backoff } = local
  const bus = remote?.createBus(randomBytes(MEMBER_BYTES).toString('hex'))
  const coherence = bus && new Coherence({ bus, clock, tasks, permit, apply, reset: () => apply(EVERYTHING) }, options)
  const announce = async (change: Change): Promise<void> => coherence?.announce(change)

  // Redis reports a script's writes to the process that ran it as well, so what is put into memory with a write would
  // be dropped at once. What is older goes before the writer goes on; the next read takes the new value from Redis.
  const forget: Keep = ({ key }) => apply({ keys: [key], tags: [], everything: false })
  const keepWritten = remote === undefined ? keep : forget
  const shared = { guard, tags, flights, backoff, statistics, clock, random, tasks, keep, keepWritten, apply, announce }
  const parts = { ...shared, codec: new ValueCodec(), nextStamp: createStampSource() }
  const invalidator = new Invalidator(parts)
  const reader = new RemoteReader(parts)
  const loader = new LeasedLoader({ ...parts, reader, invalidator }, { leaseMs: options.loadLeaseMs })
  const writer = new EntryWriter({ ...parts, invalidator })
  const heart =
    coherence &&
    new CacheHeart(
      { coherence, breaker: guard.breaker, invalidator, store, clock, tasks, onError },
      { intervalMs: options.memoryLeaseMs / BEATS_PER_LEASE },
    )

  const stop = async (): Promise<void> => {
    heart?.stop()
    await tasks.drain(DRAIN_MS)
    // Reads that come now load; whatever was remembered is not served any more.
    guard.breaker.trip()
    await coherence?.stop()
    await store.stop()
  }
  const health = () => probeCacheHealth({ store, guard, invalidator, clock, local, bus, options })

  if (heart !== undefined) {
    // The first ping notes the connection that a later one may have to end.
    await remote
      ?.connect()
      .then(() => store.ping())
      .catch(() => guard.breaker.trip())
    await heart.start()
  }
  return new TieredCache({ ...parts, memory, permit, ticks, reader, loader, writer, invalidator, health, stop })
}
