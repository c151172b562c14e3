import * as fc from 'fast-check'
import { OPEN_PATHS } from '#fixtures/edges/open-paths.ts'
import { secretsIn } from '#fixtures/edges/secrets.ts'
import { annotateFuzz } from '#fixtures/fuzz/annotate-fuzz.ts'
import { startFuzzedServer } from '#fixtures/fuzz/fuzzed-server.ts'
import { openPathRequest } from '#fixtures/fuzz/open-path-arbitrary.ts'
import { sendFuzz, sortsOf, totalOf } from '#fixtures/fuzz/send-fuzz.ts'
import { expect, test } from '#fixtures/test.ts'

const REQUESTS = 10_000

test('no target, method, condition or body gets anything out of an open path but what is served there, nor a 5xx or a hang', async ({
  serverEnvironment,
  intensity,
  seed,
}) => {
  const count = Math.ceil(REQUESTS * intensity)
  test.setTimeout(60_000 + count * 50)
  const environment = { ...serverEnvironment, METRICS_TOKEN: 'metrics-token-of-the-fuzz' }
  await using server = await startFuzzedServer(environment)

  const requests = fc.sample(openPathRequest(OPEN_PATHS), { seed, numRuns: count })
  const { counts, faults } = await sendFuzz({ url: server.url, secrets: secretsIn(environment) }, requests)
  annotateFuzz(test.info(), { seed, counts })

  expect(sortsOf(faults)).toEqual([])
  const { sent, statuses } = totalOf(counts)
  expect(sent).toBe(count)
  for (const status of [200, 304, 400, 401, 404, 405]) {
    expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
  }
  expect(server.output()).not.toContain('"request failed"')
  expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)
})
