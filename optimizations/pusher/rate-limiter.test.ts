import { expect, test } from '@playwright/test'

import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { SharedRateLimit } from './shared-rate-limit.ts'

function createLimiter(callsPerSecond: number, burst = callsPerSecond, shared?: SharedRateLimit) {
  const clock = new ManualClock()
  const tasks = new BackgroundTasks((_reason, error) => {
    throw error
  }, clock)
  return { clock, tasks, limiter: new RateLimiter({ clock, tasks, shared }, { callsPerSecond, burst }) }
}

test('grants the burst at once, and not one more', () => {
  const { limiter } = createLimiter(5)
  expect(Array.from({ length: 6 }, () => limiter.tryTake(1))).toEqual([true, true, true, true, true, false])
})

test('grants again as time passes, at its rate', async () => {
  const { clock, limiter } = createLimiter(5)
  expect(limiter.tryTake(5)).toBe(true)
  await clock.advance(199)
  expect(limiter.tryTake(1)).toBe(false)
  await clock.advance(1)
  expect([limiter.tryTake(1), limiter.tryTake(1)]).toEqual([true, false])
})

test('of ten that ask at the same time exactly five are served at once', async () => {
  const { clock, limiter } = createLimiter(5)
  let served = 0
  for (let n = 0; n < 10; n += 1) void limiter.take(1).then(() => (served += 1))
  await clock.advance(0)
  expect(served).toBe(5)
  await clock.advance(1_000)
  expect(served).toBe(10)
  expect(limiter.counts.waits).toBe(5)
})

test('serves those who wait in their order, a big one before the small ones behind it', async () => {
  const { clock, limiter } = createLimiter(10)
  limiter.tryTake(10)
  const served: string[] = []
  for (const [name, tokens] of [
    ['big', 8],
    ['small', 1],
    ['last', 1],
  ] as const) {
    void limiter.take(tokens).then(() => served.push(name))
  }
  await clock.advance(700)
  expect(served).toEqual([])
  expect(limiter.tryTake(1)).toBe(false)
  await clock.advance(100)
  expect(served).toEqual(['big'])
  await clock.advance(200)
  expect(served).toEqual(['big', 'small', 'last'])
})

test('tells a waiter whose deadline passes, and takes nothing for it', async () => {
  const { clock, limiter } = createLimiter(1)
  limiter.tryTake(1)
  const late = limiter.take(1, 300)
  const patient = limiter.take(1, 5_000)
  await clock.advance(300)
  expect(await late).toBe(false)
  await clock.advance(700)
  expect(await patient).toBe(true)
})

test('grants more than the burst from a full bucket, and lets the next ones pay for it', async () => {
  const { clock, limiter } = createLimiter(10, 10)
  expect(limiter.tryTake(25)).toBe(true)
  await clock.advance(1_400)
  expect(limiter.tryTake(1)).toBe(false)
  await clock.advance(200)
  expect(limiter.tryTake(1)).toBe(true)
})

test('never grants more than rate times time plus burst, however it is asked', async () => {
  const { clock, limiter } = createLimiter(50, 20)
  let granted = 0
  for (let step = 0; step < 500; step += 1) {
    for (let tries = 0; tries < 3; tries += 1) if (limiter.tryTake(1)) granted += 1
    await clock.advance(7)
    expect(granted).toBeLessThanOrEqual(20 + (50 * (step + 1) * 7) / 1_000)
  }
  expect(granted).toBeGreaterThan(180)
})

test('is silent while it is paused', async () => {
  const { clock, limiter } = createLimiter(100)
  limiter.pause(2_000)
  expect(limiter.tryTake(1)).toBe(false)
  const waiting = limiter.take(1)
  await clock.advance(1_999)
  expect(limiter.tryTake(1)).toBe(false)
  await clock.advance(1)
  expect(await waiting).toBe(true)
})

test('halves its rate when told to, down to a twentieth, and recovers by itself', async () => {
  const { clock, limiter } = createLimiter(100)
  limiter.slowDown()
  expect([limiter.currentRate, limiter.isSlowed]).toEqual([50, true])
  for (let times = 0; times < 10; times += 1) limiter.slowDown()
  expect(limiter.currentRate).toBe(5)
  await clock.advance(4_000)
  expect(limiter.currentRate).toBeCloseTo(25)
  await clock.advance(20_000)
  expect([limiter.currentRate, limiter.isSlowed]).toEqual([100, false])
})

test('sends away everybody who waits when it closes', async () => {
  const { clock, tasks, limiter } = createLimiter(1)
  limiter.tryTake(1)
  const waiting = [limiter.take(1), limiter.take(1, 10_000)]
  await clock.advance(10)
  limiter.close()
  expect(await Promise.all(waiting)).toEqual([false, false])
  expect(await limiter.take(1)).toBe(false)
  await tasks.idle()
})

test.describe('a shared budget', () => {
  /** Grants so many tokens a second to all who reserve. */
  function createBudget(clock: ManualClock, perSecond: number): SharedRateLimit & { reserved: number } {
    let paidUntil = clock.monotonic()
    return {
      reserved: 0,
      async reserve(tokens) {
        this.reserved += tokens
        const waitMs = Math.max(0, paidUntil - clock.monotonic())
        paidUntil = Math.max(paidUntil, clock.monotonic()) + (tokens / perSecond) * 1_000
        return waitMs
      },
      takeSpare: () => Promise.reject(new Error('nobody asks for what is spare')),
    }
  }

  test('is asked for several tokens at a time, and bounds what is granted', async () => {
    const clock = new ManualClock()
    const tasks = new BackgroundTasks(() => undefined, clock)
    const shared = createBudget(clock, 100)
    const limiter = new RateLimiter({ clock, tasks, shared }, { callsPerSecond: 1_000, burst: 1_000 })
    let granted = 0
    for (let n = 0; n < 200; n += 1) void limiter.take(1).then(() => (granted += 1))
    await clock.advance(1_000)
    expect(granted).toBeGreaterThanOrEqual(100)
    expect(granted).toBeLessThanOrEqual(120)
    await clock.advance(1_000)
    expect(granted).toBe(200)
    expect(shared.reserved).toBe(200)
  })

  test('that does not answer leaves this process to its own bucket', async () => {
    const clock = new ManualClock()
    const tasks = new BackgroundTasks(() => undefined, clock)
    const fail = () => Promise.reject(new Error('redis is away'))
    const shared = { reserve: fail, takeSpare: fail }
    const limiter = new RateLimiter({ clock, tasks, shared }, { callsPerSecond: 10, burst: 10 })
    let granted = 0
    for (let n = 0; n < 30; n += 1) void limiter.take(1).then(() => (granted += 1))
    await clock.advance(0)
    expect(granted).toBe(10)
    await clock.advance(2_000)
    expect(granted).toBe(30)
    expect(limiter.counts.sharedFailures).toBeGreaterThan(0)
  })
})
