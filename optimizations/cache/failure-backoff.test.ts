import { expect, test } from '@playwright/test'
import { cacheKey } from './cache-key.ts'
import { FailureBackoff } from './failure-backoff.ts'

const key = cacheKey('k')
const never = (): number => 0.999_999

test('a failure blocks its key, longer each time, up to the most', () => {
  const backoff = new FailureBackoff(never, { firstMs: 100, maxMs: 300 })
  const lengths: number[] = []
  for (let count = 0; count < 4; count += 1) {
    backoff.failed(key, new Error('down'), 0)
    let ms = 0
    while (backoff.blocking(key, ms) !== undefined) ms += 1
    lengths.push(ms)
  }
  expect(lengths).toEqual([100, 200, 300, 300])
})

test('the waits are spread by chance over half of their length, so that processes do not return together', () => {
  const lengths = [0, 0.5, 0.99].map((draw) => {
    const backoff = new FailureBackoff(() => draw, { firstMs: 100, maxMs: 300 })
    backoff.failed(key, new Error('down'), 0)
    return [40, 60, 90, 110].filter((ms) => backoff.blocking(key, ms) !== undefined).length
  })
  expect(lengths).toEqual([1, 2, 3])
})

test('who is blocked learns the error; a success or an invalidation ends it', () => {
  const backoff = new FailureBackoff(never, { firstMs: 100, maxMs: 300 })
  const error = new Error('down')
  backoff.failed(key, error, 0)
  expect(backoff.blocking(key, 50)?.error).toBe(error)
  expect(backoff.blocking(cacheKey('other'), 50)).toBeUndefined()
  backoff.forget(key)
  expect(backoff.blocking(key, 50)).toBeUndefined()
})

test('a first wait of 0 turns it off', () => {
  const backoff = new FailureBackoff(never, { firstMs: 0, maxMs: 300 })
  backoff.failed(key, new Error('down'), 10)
  expect(backoff.blocking(key, 10)).toBeUndefined()
})
