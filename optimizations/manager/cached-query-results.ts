import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import type { ResultCache } from '#optimizations/database/results/result-cache.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'

const AGAIN_MS = 250

/**
 * Query results in the cache, where all processes share them. An invalidation resolves only when it has reached every
 * process, as the database relies on: while Redis is away it is repeated, all that wait together. `cache` answers
 * undefined until the cache has started.
 */
export function createCachedQueryResults(deps: {
  readonly cache: () => Pick<Cache, 'getOrSet' | 'invalidateTags'> | undefined
  readonly clock: Pick<Clock, 'sleep'>
}): ResultCache & AsyncDisposable {
  const stopped = new AbortController()
  const waiting = new Set<string>()
  let repeating: Promise<void> | undefined

  const invalidate = async (tags: readonly string[]): Promise<boolean> =>
    (await deps.cache()?.invalidateTags(tags))?.acknowledged ?? false

  const repeat = async (): Promise<void> => {
    try {
      while (waiting.size > 0) {
        await deps.clock.sleep(AGAIN_MS, stopped.signal)
        const tags = [...waiting]
        if (await invalidate(tags)) for (const tag of tags) waiting.delete(tag)
      }
    } finally {
      // In the same turn in which nothing was waiting any more: who comes later begins anew.
      repeating = undefined
    }
  }

  return {
    getOrSet: (key, load, options) =>
      deps.cache()?.getOrSet(cacheKey('query', key), load, options) ?? load({ doNotKeep: () => undefined }),
    async invalidateTags(tags) {
      if (await invalidate(tags)) return
      for (const tag of tags) waiting.add(tag)
      repeating ??= repeat()
      await repeating
    },
    [Symbol.asyncDispose]: async () => stopped.abort(),
  }
}
