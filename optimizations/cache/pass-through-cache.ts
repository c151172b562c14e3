import type { Cache, Invalidation, Load } from './cache.ts'
import { StatisticsRecorder } from './statistics-recorder.ts'

const NOTHING_KEPT: Invalidation = { acknowledged: true, removed: 0 }

/** The cache that is switched off: every read loads, nothing is kept. The honest baseline of every comparison. */
export function createPassThroughCache(): Cache {
  const load = async <T>(run: Load<T>, signal: AbortSignal = new AbortController().signal): Promise<T> =>
    run({ signal, keepFor: () => undefined, doNotKeep: () => undefined })
  return {
    getOrSet: async (_key, run, options) => load(run, options?.signal),
    get: async () => undefined,
    peek: () => undefined,
    getMany: async (keys) => keys.map(() => undefined),
    set: async () => true,
    setMany: async () => true,
    delete: async () => NOTHING_KEPT,
    invalidateTags: async () => NOTHING_KEPT,
    deletePattern: async () => NOTHING_KEPT,
    cached:
      (run) =>
      async (...args) =>
        run(...args),
    health: async () => ({ status: 'healthy', reasons: [], details: { mode: 'off' } }),
    stats: () => new StatisticsRecorder('off').snapshot({ entries: 0, bytes: 0 }),
    idle: async () => undefined,
    stop: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}
