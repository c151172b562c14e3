import { test } from '#fixtures/test.ts'

test.skip(({ deployedUrl }) => deployedUrl !== undefined, 'nobody can look into a deployed backend')

test('a server of our own, looked into after each collection of garbage, grows neither in heap nor in handles under the mix', async ({
  measure,
  startOwn,
  traffic,
}) => {
  const server = await startOwn({ name: 'memory' })
  await measure.growth(server, {
    ...traffic,
    id: 'memory',
    title: 'Under the mix',
    ratePerSecond: 200,
    looks: 8,
    budgets: { heap: '<8', handles: '<30' },
  })
})
