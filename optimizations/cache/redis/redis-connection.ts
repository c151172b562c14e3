import { Cluster, Redis } from 'ioredis'
import type { Random } from '#optimizations/kernel/random.ts'
import type { RedisTarget } from './redis-target.ts'

export interface ConnectionLimits {
  readonly connectTimeoutMs: number
  readonly commandTimeoutMs: number
}

const RECONNECT_BASE_MS = 25
const RECONNECT_MAX_MS = 500
/** Commands outstanding and not a byte for this many command timeouts: the peer is gone without having said so. */
const SILENT_TIMEOUTS = 8

/**
 * The connection that reads and writes. Fails fast where the defaults of ioredis wait for more than a minute: nothing
 * is queued while it is away, nothing is sent twice, every command has a deadline, and a silent socket is replaced.
 */
export function createDataClient(target: RedisTarget, limits: ConnectionLimits, random: Random): Redis | Cluster {
  const options = profile(target, limits)
  const retryStrategy = (attempt: number): number =>
    Math.min(RECONNECT_BASE_MS * 2 ** (attempt - 1), RECONNECT_MAX_MS) * (0.5 + random() / 2)
  if (target.kind !== 'cluster')
    return new Redis({ ...options, ...place(target), retryStrategy, enableOfflineQueue: false })
  return new Cluster([...target.nodes], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    slotsRefreshTimeout: limits.connectTimeoutMs,
    redisOptions: options,
  })
}

/**
 * The connection that invalidations arrive on. It never reconnects by itself: what was missed meanwhile must be known
 * first. RESP2, because ioredis drops the invalidation messages of RESP3.
 */
export function createBusClient(target: RedisTarget, limits: ConnectionLimits, attempt: number): Redis {
  const options = {
    ...profile(target, limits),
    protocol: 2 as const,
    autoResubscribe: false,
    retryStrategy: null,
    enableOfflineQueue: false,
  }
  if (target.kind !== 'cluster') return new Redis({ ...options, ...place(target) })
  // A message published on any node of a cluster reaches them all; another node is tried when one has gone.
  return new Redis({ ...options, ...target.nodes[attempt % target.nodes.length] })
}

function profile(target: RedisTarget, limits: ConnectionLimits) {
  return {
    lazyConnect: true,
    connectTimeout: limits.connectTimeoutMs,
    commandTimeout: limits.commandTimeoutMs,
    socketTimeout: limits.commandTimeoutMs * SILENT_TIMEOUTS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    keepAlive: 5_000,
    // After a failover the old primary answers READONLY until its clients look for the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.usesTls ? { tls: {} } : {}),
  }
}

function place(target: RedisTarget) {
  if (target.kind === 'single') return { ...target.nodes[0], db: target.database }
  return {
    sentinels: target.nodes.map((node) => ({ ...node })),
    name: target.primaryName ?? '',
    db: target.database,
    ...(target.usesTls ? { enableTLSForSentinelMode: true } : {}),
  }
}
