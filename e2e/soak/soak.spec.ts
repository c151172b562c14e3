import { test } from '#fixtures/test.ts'

test('for as long as it is watched, a server under the mix grows neither in heap nor in handles', async ({
  measure,
  startOwn,
  traffic,
}) => {
  const server = await startOwn({ name: 'soak' })
  await measure.growth(server, {
    ...traffic,
    id: 'soak.memory',
    title: 'Soak under the mix',
    ratePerSecond: 200,
    // About a minute when quick, and three quarters of an hour with VERIFY=full.
    looks: measure.plan.repetitions,
    budgets: { heap: '<16', handles: '<30' },
  })
})
