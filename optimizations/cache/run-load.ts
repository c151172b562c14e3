import type { Clock } from '#optimizations/kernel/clock.ts'
import { CacheError } from './cache-error.ts'
import type { Load, LoadContext } from './cache.ts'
import { requireLifetime } from './entry-options.ts'
import type { SharedLoad } from './shared-load.ts'

export interface LoadOutcome {
  readonly value: unknown
  readonly isKept: boolean
  /** The lifetime that the load chose for its result. */
  readonly ttlMs: number | undefined
  readonly durationMs: number
}

/** Calls a loader once. Rejects as it rejects, or with the reason of the abort, whether or not it heeds the signal. */
export async function runLoad(
  load: Load<unknown>,
  shared: SharedLoad,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<LoadOutcome> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const begun = clock.monotonic()
  const limit = clock.schedule(timeoutMs, () =>
    shared.abort(new CacheError('load_timeout', `The load did not finish within ${timeoutMs} ms`, { retryable: true })),
  )
  const onAbort = (): void => reject(shared.signal.reason as Error)
  shared.signal.addEventListener('abort', onAbort, { once: true })
  let isKept = true
  let ttlMs: number | undefined
  const context: LoadContext = {
    signal: shared.signal,
    keepFor: (ms) => {
      requireLifetime('ttlMs', ms)
      ttlMs = ms
    },
    doNotKeep: () => {
      isKept = false
    },
  }
  try {
    const value = await Promise.race([callNow(load, context), aborted])
    return { value, isKept, ttlMs, durationMs: clock.monotonic() - begun }
  } finally {
    limit[Symbol.dispose]()
    shared.signal.removeEventListener('abort', onAbort)
  }
}

/** A loader that throws before its first await rejects like any other. */
async function callNow(load: Load<unknown>, context: LoadContext): Promise<unknown> {
  return load(context)
}
