import type { ModulesContext } from '#fixtures/data/scenarios/modules.ts'
import { test } from '#fixtures/test.ts'

test.skip(({ deployedUrl }) => deployedUrl !== undefined, 'what is deployed is the whole')

const scenario = new URL('../../fixtures/data/scenarios/modules.ts', import.meta.url)
// Of the cache nobody asks for users or classes.
const context: ModulesContext = { usernames: ['nobody'], classIds: ['none'] }
const RATE_PER_SECOND = 700

for (const { name, id, weights, p95, stretch } of [
  { name: 'reads', id: 'cache.get', weights: { get: 1 }, p95: '<20ms', stretch: '<2ms' },
  { name: 'writes', id: 'cache.set', weights: { set: 1 }, p95: '<50ms', stretch: '<3ms' },
  { name: 'four reads to a write', id: 'cache.mix', weights: { get: 80, set: 20 }, p95: '<30ms', stretch: '<3ms' },
] as const) {
  test(`with the cache in a process of our own, ${name} at ${RATE_PER_SECOND} a second: P95 ${p95}`, async ({
    measure,
    modules,
  }) => {
    await measure.load(modules, {
      scenario,
      context,
      weights,
      id,
      title: `Cache, ${name}`,
      ratePerSecond: RATE_PER_SECOND,
      targets: { p95, throughput: '>500/s', errors: '<1%' },
      stretch: { p95: stretch },
    })
  })
}
