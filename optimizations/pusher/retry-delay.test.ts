import { expect, test } from '@playwright/test'

import { seededRandom } from '#optimizations/kernel/random.ts'
import { parseRetryAfter, retryDelayMs } from './retry-delay.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')

for (const [value, ms] of [
  ['3', 3_000],
  [' 0 ', 0],
  ['0.25', 250],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
  ['86400', 300_000],
  ['soon', undefined],
  ['-1', 0],
  ['', undefined],
  [undefined, undefined],
] as const) {
  test(`a Retry-After of ${JSON.stringify(value)} is ${ms} ms`, () => {
    expect(parseRetryAfter(value, NOW)).toBe(ms)
  })
}

test('delays are spread over the whole range below a cap that doubles with every failure', () => {
  const random = seededRandom(7)
  for (const [failures, cap] of [
    [0, 100],
    [1, 200],
    [3, 800],
    [10, 5_000],
    [500, 5_000],
  ] as const) {
    const delays = Array.from({ length: 400 }, () => retryDelayMs(random, failures, 100, 5_000))
    expect(Math.max(...delays)).toBeLessThanOrEqual(cap)
    expect(Math.max(...delays)).toBeGreaterThan(cap * 0.9)
    expect(Math.min(...delays)).toBeLessThan(cap * 0.1)
  }
})
