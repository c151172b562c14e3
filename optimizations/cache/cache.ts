import type { Health } from '#optimizations/kernel/health.ts'
import type { CacheKey, KeyPart } from './cache-key.ts'
import type { CacheStatistics } from './cache-statistics.ts'

/** Passed to a load, which may shape with it how its own result is kept. */
export interface LoadContext {
  /** Aborted when the load exceeds its hard time limit or when every caller has gone. */
  readonly signal: AbortSignal
  /** Overrides the lifetime of this result, in milliseconds. */
  readonly keepFor: (ttlMs: number) => void
  /** The result is returned and not kept. */
  readonly doNotKeep: () => void
}

/** `null` is a value like any other (an absent row, kept for `negativeTtlMs`); `undefined` is never kept. */
export type Load<T> = (context: LoadContext) => Promise<T> | T

export interface EntryOptions {
  /** How long the value is fresh. Default: `TTL_MS.standard`. */
  readonly ttlMs?: number | undefined
  /** How long `null` is fresh. Default: the smaller of `ttlMs` and 30 s. */
  readonly negativeTtlMs?: number | undefined
  /** `invalidateTags` with any of them ends the entry everywhere. They must be known before the load begins. */
  readonly tags?: readonly string[] | undefined
  /** How long after `ttlMs` the value may still be served while it is refreshed, or when the load fails. Default 0. */
  readonly staleMs?: number | undefined
  /** With a stale value at hand: how long callers wait for the refresh before they take the stale one. Default 0. */
  readonly softTimeoutMs?: number | undefined
  /** The load is aborted and rejected after this time. Default 10 s. */
  readonly loadTimeoutMs?: number | undefined
  /** Lifetimes are shortened by a random share of up to this, so that entries do not end together. Default 0.1. */
  readonly jitter?: number | undefined
  /** Weight of early refresh (the beta of XFetch): 0 turns it off, more than 1 refreshes earlier. Default 1. */
  readonly earlyRefresh?: number | undefined
}

export interface ReadOptions extends EntryOptions {
  /** Ends this caller's wait. The load goes on while another caller waits for it. */
  readonly signal?: AbortSignal | undefined
  /** Skips both tiers, loads, and keeps the result. Once it resolves, no process serves an older value any more. */
  readonly refresh?: boolean | undefined
}

/** What became of an invalidation. It never rejects because of Redis: the request that caused it has already committed. */
export interface Invalidation {
  /**
   * True: no reader in any process can see an older value any more. False: Redis could not be reached; it is
   * remembered, repeated as soon as Redis answers, and until then other processes may serve the older value.
   */
  readonly acknowledged: boolean
  /** How many entries Redis held under the given keys or pattern; 0 for tags, whose entries end where they are. */
  readonly removed: number
}

/**
 * Two tiers, memory and Redis, that never lie: a read that begins after an acknowledged invalidation does not see an
 * older value, in this process or in any other. Values are shared, not copied: treat what you get as read-only.
 */
export interface Cache extends AsyncDisposable {
  /** Memory, then Redis, then one load for all callers of all processes. Rejects only as the load rejects. */
  getOrSet<T>(key: CacheKey, load: Load<T>, options?: ReadOptions): Promise<T>
  /** Memory, then Redis; undefined where neither holds a fresh value. */
  get<T>(key: CacheKey): Promise<T | undefined>
  /** The fresh value in memory, synchronously and without a side effect. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it stored
  peek<T>(key: CacheKey): T | undefined
  getMany<T>(keys: readonly CacheKey[]): Promise<(T | undefined)[]>
  /** Replaces the value everywhere; false when Redis did not take it. Prefer `getOrSet`, which cannot store an outdated value. */
  set(key: CacheKey, value: unknown, options?: EntryOptions): Promise<boolean>
  setMany(entries: readonly CacheEntry[], options?: EntryOptions): Promise<boolean>
  delete(key: CacheKey | readonly CacheKey[]): Promise<Invalidation>
  invalidateTags(tags: readonly string[]): Promise<Invalidation>
  /** `*`, `?` and `[…]` as in Redis over the text of keys; a backslash makes them literal. */
  deletePattern(pattern: string): Promise<Invalidation>
  /** A function whose results are cached under `name` and its arguments. */
  cached<A extends readonly KeyPart[], T>(
    load: (...args: A) => Promise<T> | T,
    options: CachedFunctionOptions,
  ): (...args: A) => Promise<T>
  /** Probes Redis now. */
  health(): Promise<Health>
  stats(): CacheStatistics
  /** Resolves when no refresh, write-back or replay of this cache is under way. */
  idle(): Promise<void>
  stop(): Promise<void>
}

export interface CachedFunctionOptions extends EntryOptions {
  /** The prefix of the keys: unique among the functions that share a namespace. */
  readonly name: string
}

export interface CacheEntry<T = unknown> {
  readonly key: CacheKey
  readonly value: T
}
