import { CacheError } from './cache-error.ts'

export interface CacheOptions {
  /**
   * `redis://user:password@host:port/database`, `rediss://…` for TLS, `redis+cluster://host:port,host:port`, or
   * `redis+sentinel://host:port,host:port/primary-name`. Without it the cache is the memory of this process.
   */
  readonly url?: string | undefined
  /** In front of every key: applications, tenants and schema versions that share a Redis differ here. */
  readonly namespace: string
  /** Limits of the memory tier; 0 bytes turn it off. */
  readonly memoryMaxBytes?: number | undefined
  readonly memoryMaxEntries?: number | undefined
  /** How long memory is served without a sign of life, and the most that a silent process delays an invalidation. */
  readonly memoryLeaseMs?: number | undefined
  /** Whether Redis is asked to report writes that go past the cache. Default true. */
  readonly tracking?: boolean | undefined
  readonly connectTimeoutMs?: number | undefined
  /** Every command of Redis is given up after this time. */
  readonly commandTimeoutMs?: number | undefined
  /** Operations on Redis under way at once; more are refused. */
  readonly maxInFlight?: number | undefined
  /** Failures in a row after which Redis is left alone until a probe succeeds. */
  readonly failureThreshold?: number | undefined
  /** How long a process that died while loading delays the others. */
  readonly loadLeaseMs?: number | undefined
  /** How long a key is not loaded again after its load has failed; doubled each time, up to `errorBackoffMaxMs`. 0: off. */
  readonly errorBackoffMs?: number | undefined
  readonly errorBackoffMaxMs?: number | undefined
  /** Whether hits in memory are counted; what else happens always is. Default true. */
  readonly statistics?: boolean | undefined
}

export type ResolvedCacheOptions = {
  readonly [Name in Exclude<keyof CacheOptions, 'url'>]-?: NonNullable<CacheOptions[Name]>
} & {
  readonly url: string | undefined
}

const MEBIBYTE = 1_048_576

const DEFAULTS = {
  memoryMaxBytes: 64 * MEBIBYTE,
  memoryMaxEntries: 100_000,
  memoryLeaseMs: 1_000,
  tracking: true,
  connectTimeoutMs: 1_000,
  commandTimeoutMs: 250,
  maxInFlight: 1_000,
  failureThreshold: 3,
  loadLeaseMs: 1_500,
  errorBackoffMs: 50,
  errorBackoffMaxMs: 1_000,
  statistics: true,
} as const

/** Limits of which 0 has a meaning. */
const MAY_BE_ZERO: ReadonlySet<string> = new Set(['memoryMaxBytes', 'errorBackoffMs', 'errorBackoffMaxMs'])

export function resolveCacheOptions(options: CacheOptions): ResolvedCacheOptions {
  if (!/^[\w.:-]+$/.test(options.namespace)) {
    throw new CacheError('invalid_option', 'The namespace of a cache is made of letters, digits, and . : _ -')
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const resolved = { url: undefined, ...DEFAULTS, ...Object.fromEntries(given) } as ResolvedCacheOptions
  for (const [name, value] of Object.entries(resolved)) {
    if (typeof value !== 'number') continue
    const least = MAY_BE_ZERO.has(name) ? 0 : 1
    if (!(value >= least && value < Number.MAX_SAFE_INTEGER)) {
      throw new CacheError('invalid_option', `${name} is at least ${least}, not ${value}`)
    }
  }
  return resolved
}
