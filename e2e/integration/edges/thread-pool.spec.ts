import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { createThreadPoolBlocker } from '#fixtures/edges/thread-pool-blocker.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { startServerProcess } from '#fixtures/playwright/server-process.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const lesson = `/api/v1/lessons/${school.lesson(school.classOf('student1').id).id}`
const subscription = { socket_id: '123.456', channel_name: `private-user-${school.userId('student1')}` }

test('while every thread of the pool is busy, a kept lesson, its 304, a channel authorization, /health/live and the 401 of a forged token are answered', async ({
  app,
  serverEnvironment,
}) => {
  await using blocker = await createThreadPoolBlocker()
  // What waits for the pool is to fail by its status and not by the time of the test.
  const environment = { ...serverEnvironment, ...blocker.environment, REQUEST_TIMEOUT_MS: '2000' }
  await using server = await startServerProcess({ environment })
  const { token } = await app.session('student1')
  const student = new ApiClient(server.url, token)
  const forger = new ApiClient(server.url, `${token.slice(0, -4)}AAAA`)
  const ask = async () => {
    const kept = await student.get(lesson)
    const again = await student.get(lesson, { 'if-none-match': kept.headers.get('etag') ?? '' })
    return {
      kept: kept.status,
      again: again.status,
      authorization: (await student.post('/api/v1/realtime/auth', subscription)).status,
      live: (await student.get('/health/live')).status,
      forged: (await forger.get(lesson)).status,
    }
  }
  const answers = { kept: 200, again: 304, authorization: 200, live: 200, forged: 401 }
  expect(await ask()).toEqual(answers)

  await using pool = blocker.block(server)
  await expect.poll(() => pool.isBlocked()).toBe(true)
  expect(await ask()).toEqual(answers)
  expect(pool.isBlocked()).toBe(true)

  await pool.release()
  await expect.poll(() => pool.isFree()).toBe(true)
})
