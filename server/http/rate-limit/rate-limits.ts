import { systemClock } from '#optimizations/kernel/clock.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { Bucket, TokenStore } from './token-store.ts'

/** Absent where the configuration sets no limit. */
export interface RateLimits {
  readonly perUser?: RateLimiter
  readonly perAddress?: RateLimiter
}

/** The limits that all processes on one store share. */
export function createRateLimits(
  deps: { readonly store: TokenStore; readonly onError: (error: unknown) => void },
  { perUser, perAddress }: { readonly perUser?: Bucket | undefined; readonly perAddress?: Bucket | undefined },
): RateLimits {
  const limiter = (name: string, bucket: Bucket) =>
    new RateLimiter({ clock: systemClock, ...deps }, { name, ...bucket })
  return {
    ...(perUser === undefined ? {} : { perUser: limiter('user', perUser) }),
    ...(perAddress === undefined ? {} : { perAddress: limiter('address', perAddress) }),
  }
}
