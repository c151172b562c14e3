import { expect, test } from '@playwright/test'
import { RecordingTimer } from '#fixtures/doubles/recording-timer.ts'
import { cacheKey } from '#optimizations/cache/cache-key.ts'
import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import { startCache } from '#optimizations/cache/start-cache.ts'
import type { Cache, Load } from '#optimizations/cache/cache.ts'
import { CurrentRequest, type RequestScope } from './current-request.ts'
import { createScopedCache } from './scoped-cache.ts'

const key = cacheKey('lesson', 1)

/** Runs the test as part of a request that takes its time. */
const inRequest =
  (body: (timer: RecordingTimer, requests: CurrentRequest) => Promise<void>, scope: RequestScope = {}) =>
  async (): Promise<void> => {
    const [timer, requests] = [new RecordingTimer(), new CurrentRequest()]
    await requests.run({ timer, ...scope }, () => body(timer, requests))
  }

test(
  'the time of the load is not time in the cache',
  inRequest(async (timer, requests) => {
    await using memory = await startCache({ namespace: 'timed' })
    const cache = createScopedCache(memory, requests)
    const load = (): string => {
      timer.seen.push('load')
      return 'value'
    }
    expect(await cache.getOrSet(key, load)).toBe('value')
    expect(await cache.getOrSet(key, () => 'other')).toBe('value')
    expect(timer.seen).toEqual(['+cache', '-cache', 'load', '+cache', '-cache', '+cache', '-cache'])
  }),
)

test(
  'a load that fails leaves no phase open',
  inRequest(async (timer, requests) => {
    const cache = createScopedCache(createPassThroughCache(), requests)
    await expect(cache.getOrSet(key, () => Promise.reject(new Error('no row')))).rejects.toThrow('no row')
    expect(timer.open).toBe(0)
  }),
)

test(
  'a refresh that goes on behind a stale value touches no timer once the read is over',
  inRequest(async (timer, requests) => {
    const { promise: loaded, resolve: endLoad } = Promise.withResolvers<void>()
    let refreshing: Promise<unknown> = Promise.resolve()
    const stale: Cache = {
      ...createPassThroughCache(),
      getOrSet: async <T>(_key: unknown, load: Load<T>) => {
        refreshing = Promise.resolve(
          load({ signal: new AbortController().signal, keepFor: () => undefined, doNotKeep: () => undefined }),
        )
        return 'stale' as T
      },
    }
    const cache = createScopedCache(stale, requests)
    expect(await cache.getOrSet(key, () => loaded)).toBe('stale')
    endLoad()
    await refreshing
    expect(timer.open).toBe(0)
  }),
)

test('outside of a request nothing is timed', async () => {
  await using cache = createScopedCache(createPassThroughCache(), new CurrentRequest())
  expect(await cache.getOrSet(key, () => 1)).toBe(1)
  expect(await cache.get(key)).toBeUndefined()
})

test(
  'every call that may ask Redis is timed and answers what the cache answers',
  inRequest(async (timer, requests) => {
    await using memory = await startCache({ namespace: 'timed' })
    const cache = createScopedCache(memory, requests)
    expect(await cache.set(key, 1)).toBe(true)
    expect(cache.peek(key)).toBe(1)
    expect(await cache.get(key)).toBe(1)
    expect(await cache.setMany([{ key, value: 2 }])).toBe(true)
    expect(await cache.getMany([key])).toEqual([2])
    expect((await cache.delete(key)).acknowledged).toBe(true)
    expect((await cache.invalidateTags(['t'])).acknowledged).toBe(true)
    expect((await cache.deletePattern('x*')).acknowledged).toBe(true)
    expect(await cache.cached((id: number) => id + 1, { name: 'next' })(1)).toBe(2)
    await cache.idle()
    expect((await cache.health()).status).toBe('healthy')
    expect(cache.stats().namespace).toBe('timed')
    expect(timer.open).toBe(0)
    expect(timer.seen.filter((one) => one === '+cache').length).toBeGreaterThanOrEqual(8)
    await cache.stop()
  }),
)

test('a read ends with its request, and the load that others wait for as well does not', async () => {
  const requests = new CurrentRequest()
  await using memory = await startCache({ namespace: 'scoped' })
  const cache = createScopedCache(memory, requests)
  const [leaving, staying] = [new AbortController(), new AbortController()]
  const { promise: loaded, resolve: endLoad } = Promise.withResolvers<string>()
  const scopes: (RequestScope | undefined)[] = []
  const load: Load<string> = (context) => {
    scopes.push(requests.scope)
    expect(requests.scope?.signal).toBe(context.signal)
    return loaded
  }
  const ask = ({ signal }: AbortController, requestId: string) =>
    requests.run({ signal, requestId, deadlineAt: 1 }, () => cache.getOrSet(key, load))
  const [first, second] = [ask(leaving, 'first'), ask(staying, 'second')]
  await expect.poll(() => scopes.length).toBe(1)
  leaving.abort(new Error('gone'))
  await expect(first).rejects.toThrow('gone')
  expect(scopes).toMatchObject([{ requestId: 'first' }])
  expect(scopes[0]).not.toHaveProperty('deadlineAt')
  expect(scopes[0]?.signal?.aborted).toBe(false)
  endLoad('value')
  expect(await second).toBe('value')
})
