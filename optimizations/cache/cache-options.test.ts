import { expect, test } from '@playwright/test'
import { resolveCacheOptions } from './cache-options.ts'
import { startCache } from './start-cache.ts'

test('a namespace is what can stand in front of a key of Redis, and in a pattern, as it is', () => {
  for (const namespace of ['', 'a b', 'a*', '{a}']) {
    expect(() => resolveCacheOptions({ namespace })).toThrow(/namespace/)
  }
  expect(resolveCacheOptions({ namespace: 'app:v2', url: undefined }).namespace).toBe('app:v2')
})

test('a limit that cannot be kept is refused by its name', async () => {
  expect(() => resolveCacheOptions({ namespace: 'a', maxInFlight: 0 })).toThrow(/maxInFlight is at least 1/)
  expect(() => resolveCacheOptions({ namespace: 'a', commandTimeoutMs: Number.NaN })).toThrow(/commandTimeoutMs/)
  await expect(startCache({ namespace: 'a', loadLeaseMs: -1 })).rejects.toThrow(/loadLeaseMs/)
})

test('nothing given, or undefined, is the default; zero turns off what can be off', () => {
  const options = resolveCacheOptions({ namespace: 'a', memoryMaxBytes: 0, maxInFlight: undefined, errorBackoffMs: 0 })
  expect(options.memoryMaxBytes).toBe(0)
  expect(options.errorBackoffMs).toBe(0)
  expect(options.maxInFlight).toBe(1_000)
})
