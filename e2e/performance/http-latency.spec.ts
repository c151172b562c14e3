import { expect, test } from '#fixtures/test.ts'
import type { HttpMixContext } from '#fixtures/data/scenarios/http-mix.ts'
import { readProcess, ResourceSampler } from '#measurement/inside/resource-sampler.ts'
import { startLoadGenerator } from '#measurement/load/load-generator.ts'
import { measureLoad } from '#measurement/load/measure-load.ts'
import { constantRate } from '#measurement/load/schedule.ts'
import { reportProgress } from '#measurement/progress/report-progress.ts'
import { recordEnvironment, recordRun } from '#measurement/record.ts'

const scenarioUrl = new URL('../../fixtures/data/scenarios/http-mix.ts', import.meta.url).href
const targets = { p95: '<150ms', p99: '<200ms', errors: '<0.1%', throughput: '>20/s' }
const stretch = { p95: '<25ms' }

// 200 requests a second for 6 × 5 s: enough replies to prove an error share below 0.1 % when there is no error.
const RATE_PER_SECOND = 200
const BLOCK_MS = 5_000
const STUDENTS = 20

test('at 200 requests a second, 95 of 100 replies are in within 150 ms and 99 within 200 ms', async ({
  app,
}, testInfo) => {
  const usernames = Array.from({ length: STUDENTS }, (_, index) => `student${index + 1}`)
  const users = await Promise.all(
    usernames.map(async (username) => {
      const { token } = await app.session(username)
      const { body } = await (await app.signIn(username)).get('/api/v1/lessons')
      return { token, lessonIds: (body['lessons'] as { id: string }[]).map(({ id }) => id) }
    }),
  )
  const context: HttpMixContext = { users }
  await using generator = await startLoadGenerator({ scenarioUrl, context })
  using progress = reportProgress(testInfo)

  await using server = new ResourceSampler({ read: () => readProcess(app.pid) })

  const run = await measureLoad(
    { name: 'http mix', baseUrl: app.url, generator, resources: server.samples },
    { shape: constantRate(RATE_PER_SECOND, BLOCK_MS), seed: 1, targets, onProgress: progress.onProgress },
  )

  await recordEnvironment(testInfo, { services: app.services })
  await recordRun(testInfo, run, { id: 'http.mix', title: 'HTTP mix, 90 % reads', targets, stretch })
  expect(run).toMeet(targets)
})
