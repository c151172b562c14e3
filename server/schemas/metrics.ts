import { z } from 'zod'
import {
  COUNTERS,
  TIMED_OPERATIONS,
  type CounterName,
  type TimedOperation,
} from '#optimizations/cache/cache-statistics.ts'

/** A figure that cannot be had is null: no metric fails because of one. */
const Figure = z.number().nullable().catch(null)

function eachOf<const Name extends string, Value extends z.ZodType>(names: readonly Name[], value: Value) {
  return Object.fromEntries(names.map((name) => [name, value])) as Record<Name, Value>
}

const Histogram = z.object(eachOf(['count', 'meanMs', 'maxMs', 'p50Ms', 'p95Ms', 'p99Ms'], Figure))

/** What is answered in place of a part that could not be read. */
const orUnreadable = <Part extends z.ZodType>(part: Part) => z.union([part, z.object({ error: z.string() })])

const Cache = z.object({
  namespace: z.string(),
  ...eachOf(Object.keys(COUNTERS) as CounterName[], Figure),
  hitRate: Figure,
  avgTimeMs: Figure,
  memory: z.object(eachOf(['entries', 'bytes'], Figure)),
  latency: z.object(eachOf<TimedOperation, typeof Histogram>(TIMED_OPERATIONS, Histogram)),
})

const ConnectionPool = z.object({
  ...eachOf(
    [
      'poolSize',
      'checkedIn',
      'checkedOut',
      'overflow',
      'totalConnections',
      'invalidConnections',
      'openedConnections',
      'waiting',
      'acquireTimeouts',
      'leaks',
    ],
    Figure,
  ),
  ...eachOf(['acquire', 'usage', 'create'], Histogram),
})

const Database = z.object({
  connectionPool: ConnectionPool,
  queryPerformance: z.object(
    eachOf(
      [
        'queryCount',
        'totalTimeMs',
        'avgQueryTimeMs',
        'slowQueries',
        'slowQueryRate',
        'cacheHits',
        'cacheMisses',
        'cacheHitRate',
        'preparedStatementUsage',
      ],
      Figure,
    ),
  ),
  preparedStatements: z.object({
    registeredStatements: z.array(z.string()).readonly(),
    usageStats: z.record(z.string(), z.object({ uses: Figure, lastUsedAt: z.date().nullable() })),
    totalUsage: Figure,
  }),
  /** Shapes of statements, without the values that they came with. */
  topQueries: z
    .array(
      z.object({
        fingerprint: z.string(),
        ...eachOf(
          ['count', 'rows', 'errors', 'cacheHits', 'totalMs', 'p50Ms', 'p95Ms', 'p99Ms', 'acquireMeanMs'],
          Figure,
        ),
      }),
    )
    .readonly(),
})

const Pusher = z.object({
  ...eachOf(
    [
      'eventsSent',
      'batchEventsSent',
      'failedEvents',
      'totalLatencyMs',
      'connectionErrors',
      'rateLimitHits',
      'cacheHits',
      'successRate',
      'avgLatencyMs',
      'accepted',
      'pending',
      'backgroundPending',
      'queuedBytes',
      'queueAgeMs',
      'requests',
      'retries',
      'requestsPerEvent',
      'batchFill',
      'rateLimitWaits',
      'poolSize',
    ],
    Figure,
  ),
  popularChannels: z.array(z.object({ channel: z.string(), eventsSent: Figure })).readonly(),
  outcomes: z.object(eachOf(['delivered', 'coalesced', 'refused', 'expired', 'dead_lettered', 'released'], Figure)),
  droppedByReason: z.record(z.string(), Figure),
  ...eachOf(['publishLatency', 'deliveryLatency'], Histogram),
  webhooks: z.object(eachOf(['applied', 'repeated', 'unshared', 'outdated'], Figure)),
  batchConfig: z.object(eachOf(['batchSize', 'batchTimeoutMs'], Figure)),
  rateLimit: z.object(eachOf(['callsPerSecond', 'current'], Figure)),
  breaker: z.enum(['closed', 'open', 'half_open']),
})

const Collections = z.object(eachOf(['count', 'totalMs'], Figure))

export const ProcessFigures = z.object({
  ...eachOf(['uptimeSec', 'cpuSec', 'eventLoopUtilization'], Figure),
  memory: z.object(eachOf(['rssBytes', 'heapUsedBytes', 'heapTotalBytes', 'externalBytes'], Figure)),
  eventLoopDelay: z.object(eachOf(['meanMs', 'p50Ms', 'p95Ms', 'p99Ms', 'maxMs'], Figure)),
  gc: z.object(eachOf(['major', 'minor', 'incremental', 'weakcb'], Collections)),
})

export const PerService = <Value extends z.ZodType>(value: Value) =>
  z.object(eachOf(['cache', 'database', 'pusher'], value))

/** How far the start has come. */
export const StartStatus = z.object({
  status: z.enum(['completed', 'partial', 'failed']).nullable(),
  durationMs: Figure,
  ...eachOf(['successfulServices', 'degradedServices', 'failedServices'], Figure),
  services: PerService(
    z.object({
      status: z.enum(['not_initialized', 'initialized', 'degraded', 'failed']),
      error: z.string().nullable(),
      durationMs: Figure,
      attempts: Figure,
    }),
  ),
  initializationTime: z.string().nullable(),
})

export const RequestTotals = z.object({
  ...eachOf(['requests', 'errors', 'refusals', 'aborted', 'inFlight'], Figure),
  latency: Histogram,
})

const RouteFigures = Histogram.extend({
  method: z.string(),
  route: z.string(),
  ...eachOf(['errors', 'refusals'], Figure),
})

/** Everything that is counted. */
export const Metrics = z.object({
  timestamp: z.string(),
  optimizationEnabled: PerService(z.boolean()),
  cache: orUnreadable(Cache),
  database: orUnreadable(Database),
  databaseFindings: z.object(eachOf(['slow_query', 'repeated_query', 'leak', 'transaction_retry'], Figure)),
  pusher: orUnreadable(Pusher),
  process: ProcessFigures,
  start: StartStatus,
  requests: RequestTotals.extend({ routes: z.array(RouteFigures).readonly() }),
  rateLimits: z.record(
    z.string(),
    z.object({
      ...eachOf(['allowed', 'refused'], Figure),
      /** Of limits of requests: let pass because the store could not be asked. */
      failedOpen: Figure.optional(),
      /** Of limits of wrong passwords: decided by this process alone because the store could not be asked. */
      decidedAlone: Figure.optional(),
    }),
  ),
})
