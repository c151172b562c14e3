import type { HistogramSnapshot } from '#optimizations/kernel/histogram.ts'
import type { PublisherStats } from '#optimizations/pusher/publisher-statistics.ts'
import { isReadable, type OptimizationsMetrics } from './metrics.ts'
import type { ProcessMetrics } from './process-monitor.ts'
import type { PerService, ServiceName } from './service-name.ts'
import type { OptimizationsStatus } from './start-report.ts'

export interface Sample {
  readonly value: number
  /** From closed sets only: a label made of ids grows without bound. */
  readonly labels?: Readonly<Record<string, string>>
}

/** What one scrape is made of: read once, so that its families agree with each other. */
export interface Snapshot {
  readonly metrics: OptimizationsMetrics
  readonly status: OptimizationsStatus
}

export interface Family {
  /** Ends in the base unit of Prometheus; a counter in `_total`. */
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  readonly read: (now: Snapshot) => readonly Sample[]
}

const seconds = (ms: number): number => ms / 1_000

function quantiles({ p50Ms, p95Ms, p99Ms }: Pick<HistogramSnapshot, 'p50Ms' | 'p95Ms' | 'p99Ms'>): Sample[] {
  return labelled('quantile', { '0.5': seconds(p50Ms), '0.95': seconds(p95Ms), '0.99': seconds(p99Ms) })
}

function labelled(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ value, labels: { [label]: name } }))
}

/** Of those services that there are. */
function ofServices<T>(services: PerService<T>, isTrue: (its: T) => boolean): Sample[] {
  return Object.entries(services).map(([service, its]) => ({ value: isTrue(its) ? 1 : 0, labels: { service } }))
}

/** One value, without labels. */
function plain(name: string, help: string, read: (now: Snapshot) => number | undefined): Family {
  const samples = (value: number | undefined): Sample[] => (value === undefined ? [] : [{ value }])
  return { name, help, labelNames: [], read: (now) => samples(read(now)) }
}

const ofPublisher =
  <T>(of: (stats: PublisherStats) => T) =>
  ({ metrics: { pusher } }: Snapshot): T | undefined =>
    isReadable(pusher) ? of(pusher) : undefined

const publisherSamples = (of: (stats: PublisherStats) => readonly Sample[]) => (now: Snapshot) =>
  ofPublisher(of)(now) ?? []

const ofProcess =
  <T>(of: (metrics: ProcessMetrics) => T) =>
  ({ metrics }: Snapshot): T =>
    of(metrics.process)

const STATUS: readonly Family[] = [
  {
    name: 'hotpath_service_initialized',
    help: '1 for a service that is started and answers',
    labelNames: ['service'],
    read: ({ status: { services } }) => ofServices(services, (its) => its.status === 'initialized'),
  },
  {
    name: 'hotpath_optimization_enabled',
    help: '1 for an optimization that is switched on',
    labelNames: ['service'],
    read: ({ metrics: { optimizationEnabled } }) => ofServices(optimizationEnabled, (isOn) => isOn),
  },
]

const PUBLISHER: readonly Family[] = [
  {
    name: 'hotpath_pusher_events_total',
    help: 'Events that came to an end, by outcome',
    labelNames: ['outcome'],
    read: publisherSamples(({ outcomes }) => labelled('outcome', outcomes)),
  },
  {
    name: 'hotpath_pusher_faults_total',
    help: 'Requests to Pusher that did not go well, by kind',
    labelNames: ['kind'],
    read: publisherSamples((stats) =>
      labelled('kind', {
        connection: stats.connectionErrors,
        rate_limited: stats.rateLimitHits,
        retried: stats.retries,
      }),
    ),
  },
  {
    name: 'hotpath_pusher_publish_seconds',
    help: "From publish() to Pusher's answer, since the start",
    labelNames: ['quantile'],
    read: publisherSamples(({ publishLatency }) => quantiles(publishLatency)),
  },
  {
    name: 'hotpath_pusher_delivery_seconds',
    help: "From publish() to a subscriber's callback, as far as pages reported it, since the start",
    labelNames: ['quantile'],
    read: publisherSamples(({ deliveryLatency }) => quantiles(deliveryLatency)),
  },
  {
    name: 'hotpath_pusher_events_dropped_total',
    help: 'Events that were never accepted or did not end as delivered, by reason',
    labelNames: ['reason'],
    read: publisherSamples(({ droppedByReason }) => labelled('reason', droppedByReason)),
  },
  plain(
    'hotpath_pusher_rate_limit_waits_total',
    'How often sending had to wait for the rate limit',
    ofPublisher(({ rateLimitWaits }) => rateLimitWaits),
  ),
  plain(
    'hotpath_pusher_batch_fill',
    'Mean events in a request to Pusher, since the start',
    ofPublisher(({ batchFill }) => batchFill),
  ),
  plain(
    'hotpath_pusher_events_accepted_total',
    'Events that were accepted for sending',
    ofPublisher(({ accepted }) => accepted),
  ),
  plain(
    'hotpath_pusher_requests_total',
    'Requests sent to Pusher, retries included',
    ofPublisher(({ requests }) => requests),
  ),
  plain(
    'hotpath_pusher_queue_events',
    'Events that are accepted and not ended',
    ofPublisher(({ pending }) => pending),
  ),
  plain(
    'hotpath_pusher_background_events',
    'Of them, those that wait until nothing else is ready',
    ofPublisher(({ backgroundPending }) => backgroundPending),
  ),
  {
    name: 'hotpath_pusher_webhooks_total',
    help: 'Signed webhooks: applied, repeated (and not applied again), unshared (applied, but remembered by this process only), and outdated (refused by their time)',
    labelNames: ['kind'],
    read: publisherSamples(({ webhooks }) => labelled('kind', { ...webhooks })),
  },
  plain(
    'hotpath_pusher_queue_bytes',
    'Bytes of the events that are queued',
    ofPublisher(({ queuedBytes }) => queuedBytes),
  ),
  plain(
    'hotpath_pusher_queue_age_seconds',
    'How long the oldest queued event has waited',
    ofPublisher(({ queueAgeMs }) => seconds(queueAgeMs)),
  ),
]

const DATABASE: readonly Family[] = [
  {
    name: 'hotpath_database_findings_total',
    help: 'What the database told of its own accord: slow and repeated queries, leaks, repeated transactions',
    labelNames: ['kind'],
    read: ({ metrics: { databaseFindings } }) => labelled('kind', { ...databaseFindings }),
  },
]

const PROCESS: readonly Family[] = [
  plain(
    'process_cpu_seconds_total',
    'User and system time of the process',
    ofProcess(({ cpuSec }) => cpuSec),
  ),
  plain(
    'process_uptime_seconds',
    'Time since the process began',
    ofProcess(({ uptimeSec }) => uptimeSec),
  ),
  plain(
    'nodejs_eventloop_utilization',
    'Share of the time in which the event loop was busy, since the start',
    ofProcess(({ eventLoopUtilization }) => eventLoopUtilization),
  ),
  {
    name: 'nodejs_eventloop_delay_seconds',
    help: 'How much later than planned the event loop came round, since the start',
    labelNames: ['quantile'],
    read: ofProcess(({ eventLoopDelay }) => quantiles(eventLoopDelay)),
  },
  {
    name: 'nodejs_memory_bytes',
    help: 'Memory of the process, by kind',
    labelNames: ['kind'],
    read: ofProcess(({ memory }) =>
      labelled('kind', {
        resident: memory.rssBytes,
        heap_used: memory.heapUsedBytes,
        heap_total: memory.heapTotalBytes,
        external: memory.externalBytes,
      }),
    ),
  },
  {
    name: 'nodejs_gc_runs_total',
    help: 'Garbage collections, by kind',
    labelNames: ['kind'],
    read: ofProcess(({ gc }) => Object.entries(gc).map(([kind, { count }]) => ({ value: count, labels: { kind } }))),
  },
  {
    name: 'nodejs_gc_seconds_total',
    help: 'Time spent in garbage collections, by kind',
    labelNames: ['kind'],
    read: ofProcess(({ gc }) =>
      Object.entries(gc).map(([kind, { totalMs }]) => ({ value: seconds(totalMs), labels: { kind } })),
    ),
  },
]

/** Of the services of these names, and of what there is in any case. */
export function familiesOf(names: readonly ServiceName[]): readonly Family[] {
  const its = { cache: [], database: DATABASE, pusher: PUBLISHER }
  return [...STATUS, ...names.flatMap((name) => its[name]), ...PROCESS]
}
