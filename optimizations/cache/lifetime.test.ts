import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'
import { seededRandom } from '#optimizations/kernel/random.ts'
import { resolveEntryOptions } from './entry-options.ts'
import { lifetimeOf, refreshFrom } from './lifetime.ts'

test('a value lives for at most its time, shortened by chance by no more than the jitter', () => {
  const options = resolveEntryOptions({ ttlMs: 10_000, jitter: 0.2, staleMs: 500 })
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { freshMs, totalMs } = lifetimeOf('x', options, seededRandom(seed))
      expect(freshMs).toBeGreaterThanOrEqual(8_000)
      expect(freshMs).toBeLessThanOrEqual(10_000)
      expect(totalMs).toBe(freshMs + 500)
    }),
  )
})

test('null has a lifetime of its own, and a loader overrides both', () => {
  const options = resolveEntryOptions({ ttlMs: 10_000, jitter: 0, negativeTtlMs: 100 })
  const random = seededRandom(1)
  expect(lifetimeOf(null, options, random).freshMs).toBe(100)
  expect(lifetimeOf('x', options, random).freshMs).toBe(10_000)
  expect(lifetimeOf(null, options, random, 7).freshMs).toBe(7)
})

test('the dearer a load, the earlier its value is refreshed, and never after its end', () => {
  const random = seededRandom(2)
  const mean = (loadMs: number): number => {
    const draws = Array.from({ length: 2_000 }, () => refreshFrom(0, loadMs, 1, random))
    expect(Math.max(...draws)).toBeLessThanOrEqual(0)
    return draws.reduce((sum, draw) => sum + draw, 0) / draws.length
  }
  // -ln(uniform) has the mean 1.
  expect(mean(10)).toBeCloseTo(-10, -1)
  expect(mean(1_000)).toBeGreaterThan(-1_150)
  expect(mean(1_000)).toBeLessThan(-850)
})

test('without early refresh a value is refreshed at its end', () => {
  expect(refreshFrom(1_000, 500, 0, () => 0.999)).toBe(1_000)
})

test('the extremes of chance are finite times', () => {
  for (const draw of [0, 1 - 2 ** -53]) expect(Number.isFinite(refreshFrom(1_000, 500, 1, () => draw))).toBe(true)
})
