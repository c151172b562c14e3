import { dirname } from 'node:path'
import { signInClients } from '#fixtures/backend/clients.ts'
import { createTraffic } from '#fixtures/backend/config-traffic.ts'
import { loadConfig } from '#fixtures/backend/load-config.ts'
import { startBackend } from '#fixtures/backend/start-backend.ts'
import { verifyBackend } from '#fixtures/playwright/inner-verify.ts'
import { SCHOOL_CONFIG } from '#fixtures/playwright/school-traffic.ts'
import { expect, test } from '#fixtures/test.ts'
import { startLoadGenerator } from '#measurement/load/load-generator.ts'
import { OUTCOME } from '#measurement/load/samples.ts'
import { constantRate } from '#measurement/load/schedule.ts'

test('the school is started and seeded by its config, its people sign in, and each of its requests is answered right', async () => {
  test.setTimeout(120_000)
  const config = await loadConfig(SCHOOL_CONFIG)
  await using school = await startBackend(config, { directory: dirname(SCHOOL_CONFIG) })
  const clients = await signInClients(config, school.url)
  const roles = clients.map(({ ids }) => (ids as { role: string }).role)
  expect([roles.length, roles.indexOf('teacher')]).toEqual([28, 24])
  // All as often, and few of each: nothing is measured.
  const weights = Object.fromEntries(config.requests.map(({ name }) => [name, 1]))
  const { scenario, context } = createTraffic(SCHOOL_CONFIG, school.url, clients)
  await using generator = await startLoadGenerator({ scenarioUrl: scenario.href, context, weights })
  const { faults, samples, requests } = await generator.run({
    baseUrl: school.url,
    shape: constantRate(40, 3_000),
    seed: 1,
    connections: 8,
    timeLimitMs: 30_000,
  })
  expect(faults).toEqual({})
  expect(new Set(samples.outcome)).toEqual(new Set([OUTCOME.ok]))
  expect(new Set([...samples.kind].map((kind) => requests[kind]))).toEqual(new Set(Object.keys(weights)))
})

test('npm run verify on the config of the school: replies are right under the mix, and every event arrives once', async ({
  ownServices,
}) => {
  test.setTimeout(240_000)
  const { code, output, find } = await verifyBackend(SCHOOL_CONFIG, {
    grep: 'requests a second|an event for',
    variables: ownServices.variables,
  })
  expect(output).not.toContain('did not return what they should')
  expect(find('own.load.errors').value).toBe(0)
  expect(find('own.events.reach')).toMatchObject({ value: 1, verdict: 'pass' })
  expect(find('own.events.duplicates')).toMatchObject({ value: 0, verdict: 'pass' })
  // Whether the times are met is for a machine at rest.
  expect([0, 1, 2, 3]).toContain(code)
})
