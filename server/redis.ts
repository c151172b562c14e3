import { Redis } from 'ioredis'

const CONNECT_TIMEOUT_MS = 1_000
const LONGEST_RETRY_MS = 2_000

/**
 * A connection for what can do without Redis: it fails fast where the defaults of ioredis wait for over a minute, and
 * comes back by itself. `connect()` opens it.
 */
export function createRedis(url: string, options: { readonly commandTimeoutMs: number }): Redis {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: options.commandTimeoutMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: (attempt) => Math.min(LONGEST_RETRY_MS, 50 * 2 ** attempt),
  })
  // Whoever sends a command is told.
  redis.on('error', () => undefined)
  return redis
}
