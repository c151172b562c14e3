import type { Cluster, Redis } from 'ioredis'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { createFallbackTokenStore } from '#server/http/rate-limit/fallback-token-store.ts'
import type { HeldRefusals } from '#server/http/rate-limit/held-refusals.ts'
import { createLocalTokenStore } from '#optimizations/express/rate-limit/local-token-store.ts'
import { OptionalStore } from '#server/http/rate-limit/optional-store.ts'
import type { TokenStore } from '#optimizations/express/rate-limit/token-store.ts'
import { GuessLimits, type GuessBuckets } from './guess-limits.ts'
import { createRedisKnownPairs } from './known-pairs.ts'
import { SignInGuard } from './sign-in-guard.ts'

export interface SignInGuardDeps {
  readonly redis: Redis | Cluster
  readonly namespace: string
  /** What all processes share. */
  readonly store: TokenStore
  readonly secret: string
  readonly refusals: HeldRefusals
  readonly onError: (error: unknown) => void
}

/** The guard on Redis: without it each process counts wrong passwords by itself. */
export function createSignInGuard(
  { redis, namespace, store: shared, secret, refusals, onError }: SignInGuardDeps,
  buckets: GuessBuckets,
): SignInGuard {
  const clock = systemClock
  const optional = new OptionalStore({ clock, onError })
  const local = createLocalTokenStore(() => clock.monotonic())
  const store = createFallbackTokenStore(optional, { shared, local })
  const known = createRedisKnownPairs(optional, { redis, namespace })
  return new SignInGuard(new GuessLimits({ store, known, clock, secret }, buckets), refusals)
}
