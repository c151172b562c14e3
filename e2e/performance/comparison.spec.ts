import { PUSHER_DELAY_MS } from '#fixtures/playwright/measurement-fixtures.ts'
import { test } from '#fixtures/test.ts'

test.skip(({ deployedUrl }) => deployedUrl !== undefined, 'a deployed backend cannot be started with other switches')

const reads = { overview: 14, class: 12, lesson: 28, assessment: 10, content: 10, leaderboard: 8 }
const events = { trigger: 1 }

test(`on servers of our own, with Pusher ${PUSHER_DELAY_MS} ms away, all optimisations against none: half the latency and twice the throughput`, async ({
  measure,
  plain,
  traffic,
  startOwn,
}) => {
  const optimised = await startOwn({ name: 'on', pusherDelayMs: PUSHER_DELAY_MS })
  const sides = [plain, optimised] as const
  await measure.compare(sides, {
    ...traffic,
    id: 'optimised.all.mix',
    title: 'All optimisations against none, the mix at 150 a second',
    load: { ratePerSecond: 150 },
    targets: { p95: 0.5 },
    stretch: { p95: 0.2 },
  })
  await measure.compare(sides, {
    ...traffic,
    id: 'optimised.all.crowd',
    title: 'All optimisations against none, reads and events of 16 users at the same time',
    weights: { ...reads, trigger: 8 },
    load: { users: 16 },
    targets: { throughput: 2 },
    stretch: { throughput: 4 },
  })
})

/** Each alone, on the requests that it is for. No target of the specification is among them. */
test.describe('each alone', () => {
  test.skip(({ effort }) => effort === 'quick', 'takes longer than a quick run has')

  for (const { name, id, environment, weights } of [
    {
      name: 'The cache',
      id: 'cache',
      environment: { OPTIMIZE_DATABASE: 'off', OPTIMIZE_PUSHER: 'off' },
      weights: reads,
    },
    {
      name: 'The database',
      id: 'database',
      environment: { OPTIMIZE_CACHE: 'off', OPTIMIZE_PUSHER: 'off' },
      weights: reads,
    },
    {
      name: 'The event delivery',
      id: 'pusher',
      environment: { OPTIMIZE_CACHE: 'off', OPTIMIZE_DATABASE: 'off' },
      weights: events,
    },
  ]) {
    test(`on servers of our own, ${name.toLowerCase()} alone against no optimisation, with 16 users at the same time (which takes longer than a quick run has)`, async ({
      measure,
      plain,
      traffic,
      startOwn,
    }) => {
      const optimised = await startOwn({ name: `on, ${id} alone`, environment, pusherDelayMs: PUSHER_DELAY_MS })
      await measure.compare([plain, optimised], {
        ...traffic,
        id: `optimised.${id}`,
        title: `${name} alone against none`,
        weights,
        load: { users: 16 },
        // Half and twice is what they reach together; what each is worth by itself has to show, and is reported.
        targets: { p95: 1, throughput: 1 },
        stretch: { p95: 0.5, throughput: 2 },
      })
    })
  }
})
