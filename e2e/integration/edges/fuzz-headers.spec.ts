import * as fc from 'fast-check'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { secretsIn } from '#fixtures/edges/secrets.ts'
import { annotateFuzz } from '#fixtures/fuzz/annotate-fuzz.ts'
import { startFuzzedServer } from '#fixtures/fuzz/fuzzed-server.ts'
import { headerRequest, type HeaderTarget } from '#fixtures/fuzz/header-arbitrary.ts'
import { sendFuzz, sortsOf, totalOf } from '#fixtures/fuzz/send-fuzz.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { expect, test } from '#fixtures/test.ts'

const REQUESTS = 10_000
const ROOT = '/api/v1'
const ORIGIN = 'https://school.example'
/** In front of a proxy, where pages of another origin may ask, and with limits, so that addresses count. */
const ENVIRONMENT = {
  TRUSTED_PROXIES: '1',
  CORS_ORIGINS: ORIGIN,
  METRICS_TOKEN: 'metrics-token-of-the-fuzz',
  RATE_LIMIT_PER_ADDRESS: '1000000',
}

const school = new SchoolIndex(seededSchool())
const { id: classId } = school.classOf('student1')
const { id: lessonId } = school.lesson(classId)
const submission = JSON.stringify({ answers: [] })
const TARGETS: readonly HeaderTarget[] = [
  { method: 'GET', target: '/', isOpen: true },
  { method: 'GET', target: '/style.css', isOpen: true },
  { method: 'GET', target: '/health/ready', isOpen: true },
  { method: 'GET', target: '/realtime-config.json', isOpen: true },
  { method: 'GET', target: `${ROOT}/openapi.json`, isOpen: true },
  { method: 'GET', target: '/metrics/performance', isOpen: false },
  { method: 'GET', target: `${ROOT}/lessons/${lessonId}`, isOpen: false },
  { method: 'GET', target: `${ROOT}/lessons`, isOpen: false },
  { method: 'GET', target: `${ROOT}/notifications`, isOpen: false },
  { method: 'PATCH', target: `${ROOT}/notifications`, body: '{"all":true}', isOpen: false },
  {
    method: 'POST',
    target: `${ROOT}/assessments/${school.assessment(classId, 'published').id}/submissions`,
    body: submission,
    isOpen: false,
  },
  { method: 'POST', target: `${ROOT}/realtime/user-auth`, body: '{"socket_id":"1.1"}', isOpen: false },
]

/** The tags of the replies that do not change. */
async function withTags(url: string, token: string): Promise<readonly HeaderTarget[]> {
  const client = new ApiClient(url, token)
  const asked = TARGETS.map(async (target): Promise<HeaderTarget> => {
    if (target.method !== 'GET') return target
    const etag = (await client.get(target.target)).headers.get('etag')
    // Of a file it is weak, and Express compares it by rules of its own.
    return etag === null || etag.startsWith('W/') ? target : { ...target, etag }
  })
  return await Promise.all(asked)
}

test('no header lets anybody in, opens the API to a foreign page, is believed over the connection, or gets a 5xx or a hang', async ({
  app,
  serverEnvironment,
  seededDatabase,
  redis,
  intensity,
  seed,
}) => {
  const count = Math.ceil(REQUESTS * intensity)
  test.setTimeout(60_000 + count * 50)
  // What is kept of a database that another spec has put back since would end in the middle of the run.
  await redis.reset()
  const environment = { ...serverEnvironment, ...ENVIRONMENT }
  await using server = await startFuzzedServer(environment)
  const { token } = await app.session('student1')
  const targets = await withTags(server.url, token)
  expect(targets.filter(({ etag }) => etag !== undefined).length).toBeGreaterThan(2)

  const requests = fc.sample(headerRequest({ targets, token, origin: ORIGIN }), { seed, numRuns: count })
  const { counts, faults } = await sendFuzz({ url: server.url, secrets: secretsIn(environment) }, requests)
  annotateFuzz(test.info(), { seed, counts })

  expect(sortsOf(faults)).toEqual([])
  const { sent, statuses } = totalOf(counts)
  expect(sent).toBe(count)
  for (const status of [200, 204, 304, 400, 401, 415]) expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
  expect(server.output()).not.toContain('"request failed"')
  expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)
  await seededDatabase.reset()
})
