import type { ModulesContext } from '#fixtures/data/scenarios/modules.ts'
import { BENCHMARK_SCHOOL } from '#fixtures/data/school.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { test } from '#fixtures/test.ts'

test.skip(({ deployedUrl }) => deployedUrl !== undefined, 'what is deployed is the whole')

const scenario = new URL('../../fixtures/data/scenarios/modules.ts', import.meta.url)
const RATE_PER_SECOND = 240

function modulesContext(): ModulesContext {
  const { users, classes } = seededSchool(BENCHMARK_SCHOOL)
  return { usernames: users.map(({ username }) => username), classIds: classes.map(({ id }) => id) }
}

for (const { name, p95, stretch } of [
  { name: 'simple', p95: '<100ms', stretch: '<5ms' },
  { name: 'complex', p95: '<200ms', stretch: '<30ms' },
  { name: 'prepared', p95: '<80ms', stretch: '<4ms' },
  { name: 'cached', p95: '<60ms', stretch: '<2ms' },
] as const) {
  test(`with the database in a process of our own, a ${name} query at ${RATE_PER_SECOND} a second: P95 ${p95}`, async ({
    measure,
    modules,
  }) => {
    await measure.load(modules, {
      scenario,
      context: modulesContext(),
      weights: { [name]: 1 },
      id: `query.${name}`,
      title: `Query, ${name}`,
      ratePerSecond: RATE_PER_SECOND,
      targets: { p95, throughput: '>50/s' },
      stretch: { p95: stretch },
    })
  })
}
