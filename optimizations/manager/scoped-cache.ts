import { cacheKey } from '#optimizations/cache/cache-key.ts'
import type { Cache, Load } from '#optimizations/cache/cache.ts'
import type { CurrentRequest, RequestScope } from './current-request.ts'
import { timed, type PhaseTimer } from './phase-timer.ts'

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

/** The same cache on behalf of the current request: takes its time, and ends its wait when it ends. */
export function createScopedCache(cache: Cache, requests: CurrentRequest): Cache {
  /** Everybody who waits shares the load: it ends when the last of them has gone, and not with this request. */
  const shared =
    <T>({ requestId, timer }: RequestScope, load: Load<T>): Load<T> =>
    (context) =>
      requests.run(
        {
          signal: context.signal,
          ...(requestId === undefined ? {} : { requestId }),
          ...(timer === undefined ? {} : { timer }),
        },
        () => load(context),
      )

  const getOrSet: Cache['getOrSet'] = (key, load, options) => {
    const { scope } = requests
    if (scope === undefined) return cache.getOrSet(key, load, options)
    const { timer, signal } = scope
    const read = (sharedLoad: typeof load) => cache.getOrSet(key, sharedLoad, { signal, ...options })
    return timer === undefined ? read(shared(scope, load)) : timedRead(timer, shared(scope, load), read)
  }
  const inCache = <T>(work: () => Promise<T>): Promise<T> => timed(requests.scope?.timer, 'cache', work)

  return {
    getOrSet,
    get: (key) => inCache(() => cache.get(key)),
    peek: (key) => cache.peek(key),
    getMany: (keys) => inCache(() => cache.getMany(keys)),
    set: (key, value, options) => inCache(() => cache.set(key, value, options)),
    setMany: (entries, options) => inCache(() => cache.setMany(entries, options)),
    delete: (key) => inCache(() => cache.delete(key)),
    invalidateTags: (tags) => inCache(() => cache.invalidateTags(tags)),
    deletePattern: (pattern) => inCache(() => cache.deletePattern(pattern)),
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
