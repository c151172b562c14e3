import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { CacheRig } from '#fixtures/doubles/cache-rig.ts'
import { cacheKey } from './cache-key.ts'
import { startWarming, warmCache, type WarmItem, type WarmReport } from './warm-cache.ts'

/** Items whose loads take `ms`, and how many of them were under way at once at most. */
function items(rig: CacheRig, name: string, count: number, ms = 10) {
  const seen = { order: [] as string[], running: 0, most: 0 }
  const list = Array.from({ length: count }, (_, index): WarmItem => ({
    key: cacheKey(name, index),
    load: async () => {
      seen.order.push(`${name} ${index}`)
      seen.running += 1
      seen.most = Math.max(seen.most, seen.running)
      await rig.clock.sleep(ms)
      seen.running -= 1
      return index
    },
  }))
  return { list, seen }
}

test('groups are warmed by priority, each with no more loads at once than it may have', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const low = items(rig, 'low', 3)
  const high = items(rig, 'high', 7)
  const progress: string[] = []
  const warming = warmCache(
    { cache, clock: rig.clock },
    {
      groups: [
        { name: 'low', items: () => low.list },
        { name: 'high', items: () => high.list, priority: 5, concurrency: 2 },
      ],
      onProgress: ({ group, outcome }) => progress.push(`${group} ${outcome}`),
    },
  )
  const report = await rig.finish(warming)
  expect(high.seen.most).toBe(2)
  expect(progress).toEqual([
    ...Array.from({ length: 7 }, () => 'high loaded'),
    ...Array.from({ length: 3 }, () => 'low loaded'),
  ])
  expect(report.counts).toEqual({ loaded: 10, fresh: 0, failed: 0, skipped: 0 })
  await rig.settle()
  expect(await rig.finish(cache.get(cacheKey('high', 6)))).toBe(6)
})

test('a second warming finds what the first has left', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const { list } = items(rig, 'a', 4)
  const groups = [{ name: 'a', items: () => list }]
  await rig.finish(warmCache({ cache, clock: rig.clock }, { groups }))
  const { counts } = await rig.finish(warmCache({ cache, clock: rig.clock }, { groups }))
  expect(counts).toEqual({ loaded: 0, fresh: 4, failed: 0, skipped: 0 })
})

test('a load that fails is tried again, and one that goes on failing is reported with its error', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  let calls = 0
  const flaky: WarmItem = {
    key: cacheKey('flaky'),
    load: () => {
      calls += 1
      if (calls < 3) throw new Error('not yet')
      return 'value'
    },
  }
  const broken: WarmItem = { key: cacheKey('broken'), load: () => Promise.reject(new Error('never')) }
  const groups = [{ name: 'a', items: () => [flaky, broken], retries: 2 }]
  const { results } = await rig.finish(warmCache({ cache, clock: rig.clock }, { groups }))
  expect(results).toMatchObject([
    { key: 'flaky', outcome: 'loaded', attempts: 3 },
    { key: 'broken', outcome: 'failed', attempts: 3, error: 'never' },
  ])
})

test('loads begin no faster than the rate of their group', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const { list } = items(rig, 'a', 11, 1)
  const begun = rig.clock.monotonic()
  await rig.finish(
    warmCache({ cache, clock: rig.clock }, { groups: [{ name: 'a', items: () => list, ratePerSec: 100 }] }),
  )
  expect(rig.clock.monotonic() - begun).toBeGreaterThanOrEqual(100)
})

test('a warming that is aborted finishes what it has begun and skips the rest', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const { list } = items(rig, 'a', 6)
  const stop = new AbortController()
  const groups = [{ name: 'a', items: () => list, concurrency: 2 }]
  const onProgress = (): void => stop.abort()
  const { counts } = await rig.finish(
    warmCache({ cache, clock: rig.clock }, { groups, onProgress, signal: stop.signal }),
  )
  expect(counts).toEqual({ loaded: 2, fresh: 0, failed: 0, skipped: 4 })
})

test('a group that cannot say what it consists of does not keep the others from being warmed', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const groups = [
    {
      name: 'broken',
      items: () => {
        throw new Error('database down')
      },
    },
    { name: 'a', items: () => items(rig, 'a', 1).list },
  ]
  const { results } = await rig.finish(warmCache({ cache, clock: rig.clock }, { groups }))
  expect(results).toMatchObject([
    { group: 'broken', key: undefined, outcome: 'skipped', error: 'database down' },
    { group: 'a', outcome: 'loaded' },
  ])
})

test('a warming by schedule is repeated until it is stopped', async () => {
  const rig = new CacheRig()
  const { cache } = await rig.start()
  const { list } = items(rig, 'a', 1, 0)
  const reports: WarmReport[] = []
  const deps = { cache, clock: rig.clock, tasks: new BackgroundTasks(() => undefined) }
  const groups = [{ name: 'a', items: () => list }]
  const warming = startWarming(deps, { groups, everyMs: 1_000, onReport: (report) => reports.push(report) })
  await rig.clock.advance(2_500)
  expect(reports.map(({ counts }) => counts.loaded)).toEqual([1, 0, 0])
  await rig.finish(Promise.resolve(warming[Symbol.asyncDispose]()))
  await rig.clock.advance(5_000)
  expect(reports).toHaveLength(3)
})
