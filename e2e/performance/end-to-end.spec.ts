import { expect, test } from '#fixtures/test.ts'

test('the school mix, nine reads to a write at 300 a second, answers 95 of 100 within 150 ms and 99 within 200 ms', async ({
  backend,
  measure,
  traffic,
}) => {
  const run = await measure.load(backend, {
    ...traffic,
    id: 'http.mix',
    title: 'End to end, ten endpoints, 90 % reads',
    ratePerSecond: 300,
    targets: { p95: '<150ms', p99: '<200ms', throughput: '>20/s', errors: '<1%' },
    stretch: { p95: '<25ms' },
  })
  expect(new Set(run.blocks.flatMap(({ requests }) => requests)).size).toBe(11)
})

test.describe('with counters that can be read', () => {
  test.skip(({ deployedUrl }) => deployedUrl !== undefined, 'a deployed backend keeps its counters to itself')

  test('on a server of our own, whose counters can be read, the mix finds more than 80 of 100 reads in the cache', async ({
    own,
    measure,
    traffic,
  }) => {
    const before = await own.cacheReads()
    await measure.load(own, {
      ...traffic,
      id: 'cache.rate.mix',
      title: 'The mix, while its cache is counted',
      ratePerSecond: 200,
      targets: { errors: '<1%' },
    })
    const after = await own.cacheReads()
    const hits = after.hits - before.hits
    await measure.rate(
      { hits, of: hits + after.misses - before.misses },
      { id: 'cache.hit-rate', title: 'Cache hit rate under the mix', target: '>80%', stretch: '>95%' },
    )
  })
})

test('with 40 users at the same time 95 of 100 replies are in within 300 ms, and the knee lies where power is greatest', async ({
  backend,
  measure,
  traffic,
}) => {
  const voidReason = await measure.quiet()
  const { steps, kneeUsers } = await measure.saturation(backend, {
    ...traffic,
    id: 'http.saturation',
    title: 'Rising load, 5 to 40 users and to saturation',
    users: [5, 10, 20, 30, 40, 80, 160],
  })
  expect(steps.map(({ users }) => users)).toContain(kneeUsers)
  expect(steps.map(({ failures }) => failures)).toEqual(steps.map(() => 0))
  await measure.latencies(steps.find(({ users }) => users === 40)?.latenciesMs ?? [], {
    id: 'http.saturation.40-users',
    title: 'Rising load, at 40 users',
    voidReason,
    targets: { p95: '<300ms' },
  })
})
