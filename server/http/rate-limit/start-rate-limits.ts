import { systemClock } from '#optimizations/kernel/clock.ts'
import { RateLimiter } from './rate-limiter.ts'
import { RedisTokenStore } from './redis-token-store.ts'
import type { Bucket } from './token-store.ts'

export interface RateLimitsOptions {
  readonly url: string
  readonly namespace: string
  /** Absent for no limit. */
  readonly perUser?: Bucket | undefined
  readonly perAddress?: Bucket | undefined
}

export interface RateLimits extends AsyncDisposable {
  readonly perUser?: RateLimiter
  readonly perAddress?: RateLimiter
}

/** The limits that all processes on one Redis share. A Redis that is away keeps nobody from starting. */
export async function startRateLimits(
  { url, namespace, perUser, perAddress }: RateLimitsOptions,
  { onError }: { readonly onError: (error: unknown) => void },
): Promise<RateLimits> {
  const store = new RedisTokenStore({ url, namespace })
  await store.start()
  const deps = { clock: systemClock, store, onError }
  return {
    ...(perUser === undefined ? {} : { perUser: new RateLimiter(deps, { name: 'user', ...perUser }) }),
    ...(perAddress === undefined ? {} : { perAddress: new RateLimiter(deps, { name: 'address', ...perAddress }) }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}
