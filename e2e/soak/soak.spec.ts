import { test } from '#fixtures/test.ts'

const MINUTE_MS = 60_000
/** Fewer looks bound no trend. */
const FEWEST_LOOKS = 8

test('for as long as it is watched, a server under the mix grows neither in heap nor in handles', async ({
  measure,
  soakMinutes,
  startOwn,
  traffic,
}) => {
  const { blockMs, repetitions } = measure.plan
  // About a minute when quick, and three quarters of an hour with VERIFY=full.
  const looks =
    soakMinutes === undefined ? repetitions : Math.max(FEWEST_LOOKS, Math.ceil((soakMinutes * MINUTE_MS) / blockMs))
  // The pauses in which the garbage is collected come on top.
  test.setTimeout(300_000 + 2 * looks * blockMs)
  const server = await startOwn({ name: 'soak' })
  await measure.growth(server, {
    ...traffic,
    id: 'soak.memory',
    title: 'Soak under the mix',
    ratePerSecond: 200,
    looks,
    budgets: { heap: '<16', handles: '<30' },
  })
})
