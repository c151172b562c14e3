import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@playwright/test'
import { createManager, createManagerParts } from '#fixtures/doubles/manager-parts.ts'
import type { Cache } from '#optimizations/cache/cache.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { runWarming, type WarmingItem, type WarmingPlan, type WarmReport } from './warm.ts'

const OPTIONS = { concurrency: 2, attempts: 2, deadlineMs: 5_000 }
const running = new AbortController().signal

const item = (name: string, warm: WarmingItem['warm'] = async () => undefined): WarmingItem => ({ name, warm })
const group = (name: string, ...items: readonly WarmingItem[]) => ({ name, items: async () => items })
const run = (plan: WarmingPlan, options = OPTIONS): Promise<WarmReport> =>
  runWarming(systemClock, plan, options, running)

test('everything that is warmed is told of, with how long it took', async () => {
  const report = await run([group('classes', item('class 1'), item('class 2')), group('lessons', item('lesson 1'))])
  expect(report).toMatchObject({ status: 'completed', reason: null, successfulWarmups: 3, totalWarmups: 3 })
  expect(report.groups.map(({ name, items }) => [name, items.map((one) => one.name)])).toEqual([
    ['classes', ['class 1', 'class 2']],
    ['lessons', ['lesson 1']],
  ])
  expect(report.groups[0]?.items[0]).toMatchObject({ status: 'warmed', error: null, attempts: 1 })
  expect(Date.parse(report.timestamp)).toBeGreaterThan(0)
})

test('an item that fails is tried again, then told of, and does not stop the others', async () => {
  let tries = 0
  const shaky = item('shaky', async () => {
    tries += 1
    if (tries === 1) throw new Error('not yet')
  })
  const broken = item('broken', () => Promise.reject(new Error('no such row')))
  const report = await run([group('mixed', shaky, broken, item('fine'))])
  expect(report).toMatchObject({ status: 'partial', successfulWarmups: 2, totalWarmups: 3 })
  expect(report.groups[0]?.items).toMatchObject([
    { status: 'warmed', attempts: 2 },
    { status: 'failed', attempts: 2, error: 'no such row' },
    { status: 'warmed', attempts: 1 },
  ])
})

test('when nothing could be warmed the whole has failed', async () => {
  const report = await run([
    group(
      'all',
      item('broken', () => Promise.reject(new Error('no'))),
    ),
  ])
  expect(report).toMatchObject({ status: 'failed', successfulWarmups: 0, totalWarmups: 1 })
})

test('a group whose items cannot be found out says why, and the next one is warmed', async () => {
  const blind = { name: 'blind', items: () => Promise.reject(new Error('no PostgreSQL here')) }
  const report = await run([blind, group('lessons', item('lesson 1'))])
  expect(report).toMatchObject({ status: 'partial', successfulWarmups: 1 })
  expect(report.groups[0]).toEqual({ name: 'blind', error: 'no PostgreSQL here', items: [] })
})

test('an empty plan is completed', async () => {
  expect(await run([])).toMatchObject({ status: 'completed', totalWarmups: 0 })
})

test('no more items are read at a time than allowed, and the more important group is done first', async () => {
  const begun: string[] = []
  let open = 0
  let most = 0
  const slow = (name: string): WarmingItem =>
    item(name, async () => {
      begun.push(name)
      open += 1
      most = Math.max(most, open)
      await sleep(2)
      open -= 1
    })
  const first = Array.from({ length: 6 }, (_, at) => slow(`first ${at}`))
  await run([group('first', ...first), group('second', slow('second 0'))])
  expect(most).toBe(2)
  expect(begun.at(-1)).toBe('second 0')
})

test('when the time is over, what is under way is aborted and the rest is skipped', async () => {
  const hangs = item('hangs', (signal) => sleep(60_000, undefined, { signal }))
  const report = await run([group('slow', hangs, hangs, item('waits')), group('later', item('never'))], {
    ...OPTIONS,
    deadlineMs: 30,
  })
  expect(report.status).toBe('failed')
  expect(report.groups[0]?.items.map(({ status }) => status)).toEqual(['failed', 'failed', 'skipped'])
  expect(report.groups[1]?.error).toContain('time for warming')
})

test('two calls at once warm once, and get the same report', async () => {
  const { manager } = createManager(createManagerParts())
  await manager.start()
  let warmed = 0
  const plan = [
    group(
      'one',
      item('one', async () => void (warmed += 1)),
    ),
  ]
  const [one, other] = await Promise.all([manager.warm(plan), manager.warm(plan)])
  expect(other).toBe(one)
  expect(warmed).toBe(1)
  await manager.warm(plan)
  expect(warmed).toBe(2)
  await manager.stop()
})

for (const [what, reason, change] of [
  ['is switched off', 'switched off', { optimizeCache: false }],
  ['does not answer', 'Redis is away', {}],
] as const) {
  test(`with a cache that ${what}, nothing is read and nothing is claimed`, async () => {
    const parts = createManagerParts()
    const cache: Cache = { ...parts.cache, health: async () => ({ status: 'degraded', reasons: ['Redis is away'] }) }
    const { manager } = createManager({ starters: { ...parts.starters, cache: async () => cache }, ...change })
    await manager.start()
    let warmed = 0
    const report = await manager.warm([
      group(
        'one',
        item('one', async () => void (warmed += 1)),
      ),
    ])
    expect(report).toMatchObject({ status: 'skipped', successfulWarmups: 0, totalWarmups: 0 })
    expect(report.reason).toContain(reason)
    expect(warmed).toBe(0)
    await manager.stop()
  })
}

test('a stop ends a warming that is under way', async () => {
  const { manager } = createManager(createManagerParts())
  await manager.start()
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  const hangs = item('hangs', (signal) => {
    resolve()
    return sleep(60_000, undefined, { signal })
  })
  const warming = manager.warm([group('one', hangs)])
  await begun
  await manager.stop()
  expect((await warming).groups[0]?.items[0]?.status).toBe('failed')
})
