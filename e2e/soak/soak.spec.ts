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
    // Twenty looks: twelve seconds in all when quick, nearly two minutes when full.
    looks: 20,
    budgets: { heap: '<16', handles: '<30' },
  })
})
