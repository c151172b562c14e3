import { expect, test } from '@playwright/test'
import { MemoryTokenStore } from '#fixtures/doubles/memory-token-store.ts'
import { describeTokenStore } from '#fixtures/doubles/token-store.contract.ts'
import { RateLimiter } from './rate-limiter.ts'

describeTokenStore('in memory', async () => ({
  store: new MemoryTokenStore(),
  [Symbol.asyncDispose]: async () => undefined,
}))

function limiter(bucket: { tokensPerSec: number; burst: number }) {
  const time = { now: 0 }
  const store = new MemoryTokenStore(() => time.now)
  const faults: unknown[] = []
  const create = (): RateLimiter =>
    new RateLimiter(
      { clock: { monotonic: () => time.now }, store, onError: (error) => faults.push(error) },
      { name: 'test', ...bucket },
    )
  return { time, store, faults, create, limits: create() }
}

async function takeMany(limits: RateLimiter, key: string, count: number): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: count }, () => limits.take(key)))
  return decisions.filter(({ isAllowed }) => isAllowed).length
}

test('a burst passes, what comes above it does not, and time brings it back', async () => {
  const { limits, time } = limiter({ tokensPerSec: 1, burst: 3 })
  expect(await takeMany(limits, 'ada', 5)).toBe(3)
  const refused = await limits.take('ada')
  expect(refused).toEqual({ isAllowed: false, retryAfterMs: 1_000 })
  time.now += 1_000
  expect(await takeMany(limits, 'ada', 5)).toBe(1)
  expect(limits.statistics()).toEqual({ allowed: 4, refused: 7, failedOpen: 0 })
})

test('who is refused costs the store nothing until there is something to get', async () => {
  const { limits, store } = limiter({ tokensPerSec: 1, burst: 1 })
  await takeMany(limits, 'ada', 2)
  const before = store.asked
  expect(await takeMany(limits, 'ada', 100)).toBe(0)
  expect(store.asked).toBe(before)
})

test('one key does not use up the tokens of another', async () => {
  const { limits } = limiter({ tokensPerSec: 1, burst: 2 })
  await takeMany(limits, 'ada', 10)
  expect(await takeMany(limits, 'grace', 2)).toBe(2)
})

test('a generous limit asks the store once for a hundred requests', async () => {
  const { limits, store } = limiter({ tokensPerSec: 10_000, burst: 10_000 })
  for (let at = 0; at < 100; at += 1) expect((await limits.take('ada')).isAllowed).toBe(true)
  expect(store.asked).toBe(1)
})

test('a portion that is not used in time is forfeited', async () => {
  const { limits, time, store } = limiter({ tokensPerSec: 1_000, burst: 1_000 })
  await limits.take('ada')
  time.now += 1_001
  await limits.take('ada')
  expect(store.asked).toBe(2)
})

test('two processes together let no more pass than the limit', async () => {
  const { create } = limiter({ tokensPerSec: 0.001, burst: 500 })
  const [one, other] = [create(), create()]
  const [first, second] = await Promise.all([takeMany(one, 'ada', 400), takeMany(other, 'ada', 400)])
  expect(first + second).toBe(500)
})

test('without the store everything passes, is counted, and the store is left alone for a second', async () => {
  const { limits, store, time, faults } = limiter({ tokensPerSec: 1, burst: 1 })
  store.isAway = true
  expect(await takeMany(limits, 'ada', 50)).toBe(50)
  expect(await takeMany(limits, 'grace', 50)).toBe(50)
  expect(limits.statistics()).toEqual({ allowed: 100, refused: 0, failedOpen: 100 })
  expect(store.asked).toBeLessThanOrEqual(2)
  expect(faults.length).toBe(store.asked)

  store.isAway = false
  time.now += 1_001
  expect(await takeMany(limits, 'ada', 5)).toBe(1)
})
