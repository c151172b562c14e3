import { RateLimiter } from '#optimizations/express/rate-limit/rate-limiter.ts'
import type { Bucket, TokenStore } from '#optimizations/express/rate-limit/token-store.ts'

/** What each limit is called in the store and in statistics. */
const NAMES = {
  perUser: 'user',
  perAddress: 'address',
  /** Events that a user sends to others. */
  triggersPerUser: 'trigger',
  /** Latencies of events that a user reports. */
  deliveriesPerUser: 'delivery',
  /** Channels for which a user asks for a signature. */
  channelsPerUser: 'channel',
} as const

type LimitName = keyof typeof NAMES

/** Absent where the configuration sets no limit. */
export type RateLimits = Readonly<Partial<Record<LimitName, RateLimiter>>>

/** The limits that all processes on one store share. */
export function createRateLimits(
  deps: { readonly store: TokenStore; readonly onError: (error: unknown) => void },
  buckets: Readonly<Partial<Record<LimitName, Bucket | undefined>>>,
): RateLimits {
  const limits: Partial<Record<LimitName, RateLimiter>> = {}
  for (const [limit, bucket] of Object.entries(buckets) as [LimitName, Bucket | undefined][]) {
    if (bucket === undefined) continue
    limits[limit] = new RateLimiter(deps, { name: NAMES[limit], ...bucket })
  }
  return limits
}
