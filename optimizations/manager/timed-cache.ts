import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Cache, Load } from '#optimizations/cache/cache.ts'
import { timed, type CurrentTimer, type PhaseTimer } from './phase-timer.ts'

/** A read whose load does not count as time in the cache, also when the load goes on after the read has ended. */
async function timedRead<T>(timer: PhaseTimer, load: Load<T>, read: (load: Load<T>) => Promise<T>): Promise<T> {
  let isReading = true
  let isLoading = false
  const loadAside: Load<T> = async (context) => {
    if (isReading) timer.leave('cache')
    isLoading = true
    try {
      return await load(context)
    } finally {
      isLoading = false
      if (isReading) timer.enter('cache')
    }
  }
  timer.enter('cache')
  try {
    return await read(loadAside)
  } finally {
    isReading = false
    if (!isLoading) timer.leave('cache')
  }
}

/** The same cache, which tells the request that calls it how long it took. */
export function createTimedCache(cache: Cache, current: CurrentTimer): Cache {
  const getOrSet: Cache['getOrSet'] = (key, load, options) => {
    const timer = current()
    return timer === undefined
      ? cache.getOrSet(key, load, options)
      : timedRead(timer, load, (timedLoad) => cache.getOrSet(key, timedLoad, options))
  }
  return {
    getOrSet,
    get: (key) => timed(current(), 'cache', () => cache.get(key)),
    peek: (key) => cache.peek(key),
    getMany: (keys) => timed(current(), 'cache', () => cache.getMany(keys)),
    set: (key, value, options) => timed(current(), 'cache', () => cache.set(key, value, options)),
    setMany: (entries, options) => timed(current(), 'cache', () => cache.setMany(entries, options)),
    delete: (key) => timed(current(), 'cache', () => cache.delete(key)),
    invalidateTags: (tags) => timed(current(), 'cache', () => cache.invalidateTags(tags)),
    deletePattern: (pattern) => timed(current(), 'cache', () => cache.deletePattern(pattern)),
    cached:
      (load, options) =>
      (...args) =>
        getOrSet(cacheKey(options.name, ...args), () => load(...args), options),
    health: () => cache.health(),
    stats: () => cache.stats(),
    idle: () => cache.idle(),
    stop: () => cache.stop(),
    [Symbol.asyncDispose]: () => cache.stop(),
  }
}
