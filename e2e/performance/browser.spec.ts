import type PusherJs from 'pusher-js'
import { expect, test } from '#fixtures/test.ts'

const targets = { p95: '<150ms' }
const stretch = { p95: '<50ms' }
/** Visits after which the browser has compiled what it loads. */
const WARM_UP = 10

test('in Chromium 95 of 100 navigations to the page end within 150 ms, by the clock of the page', async ({
  backend,
  measure,
  page,
}) => {
  const voidReason = await measure.quiet()
  const latencies: number[] = []
  for (let visit = -WARM_UP; visit < 1.5 * measure.plan.repetitions; visit += 1) {
    await page.goto(backend.url)
    // The duration stands once the load event has ended, which may be a moment after Playwright heard of it.
    const ended = await page.waitForFunction(
      // The types are those of Node, which navigates nowhere.
      () => performance.getEntriesByType('navigation' as 'mark')[0]?.duration,
    )
    if (visit >= 0) latencies.push(Number(await ended.jsonValue()))
  }
  await measure.environment(backend)
  await measure.latencies(latencies, {
    id: 'browser.navigation',
    title: 'Chromium, navigation',
    targets,
    stretch,
    voidReason,
  })
})

test('in Chromium 95 of 100 fetches of a lesson are answered within 150 ms, by the clock of the page', async ({
  backend,
  measure,
  page,
}) => {
  const { token } = await backend.session('student1')
  await page.goto(backend.url)
  const voidReason = await measure.quiet()
  const latencies = await page.evaluate(
    async ({ authorization, times }) => {
      const read = async (path: string): Promise<unknown> => {
        const reply = await fetch(`/api/v1${path}`, { headers: { authorization }, cache: 'no-store' })
        if (!reply.ok) throw new Error(`${path} answered ${reply.status}`)
        return await reply.json()
      }
      const { lessons } = (await read('/lessons')) as { lessons: { id: string }[] }
      const took: number[] = []
      // Those at the beginning depend on one another: a page warms up, too.
      for (let time = -times / 4; time < times; time += 1) {
        const id = lessons[Math.abs(time) % lessons.length]?.id
        const startedAt = performance.now()
        const lesson = (await read(`/lessons/${id}`)) as { id: string }
        if (time >= 0) took.push(performance.now() - startedAt)
        if (lesson.id !== id) throw new Error('another lesson than was asked for')
      }
      return took
    },
    // They are quick.
    { authorization: `Bearer ${token}`, times: 8 * measure.plan.repetitions },
  )
  await measure.environment(backend)
  await measure.latencies(latencies, { id: 'browser.fetch', title: 'Chromium, fetch', targets, stretch, voidReason })
})

test('in Chromium 95 of 100 events are in the callback of the page within 150 ms of the click that caused them', async ({
  backend,
  measure,
  page,
}) => {
  const { token } = await backend.session('student2')
  const reports = 1.5 * measure.plan.repetitions
  await page.goto(backend.url)
  const voidReason = await measure.quiet()
  const latencies = await page.evaluate(
    async ({ authorization, times, pusher: { key, host, port, cluster = '', useTls } }) => {
      const { Pusher } = globalThis as unknown as { readonly Pusher: typeof PusherJs.default }
      const headers = { authorization, 'content-type': 'application/json' }
      const reply = await fetch('/api/v1/lessons', { headers })
      const [lesson] = ((await reply.json()) as { lessons: { id: string; classId: string }[] }).lessons
      const address = { ...(host && { wsHost: host }), ...(port && { wsPort: port, wssPort: port }) }
      const client = new Pusher(key, {
        cluster,
        ...address,
        forceTLS: useTls,
        enabledTransports: ['ws', 'wss'],
        enableStats: false,
        channelAuthorization: { transport: 'ajax', endpoint: '/api/v1/realtime/auth', headers: { authorization } },
      })
      const channel = client.subscribe(`private-class-${lesson?.classId}`)
      await new Promise((resolve, reject) => {
        channel.bind('pusher:subscription_succeeded', resolve)
        channel.bind('pusher:subscription_error', () => reject(new Error('the class may not be heard')))
      })
      const took: number[] = []
      for (let time = -times / 3; time < times; time += 1) {
        const heard = new Promise<number>((resolve) => {
          channel.bind('progress.updated', () => resolve(performance.now()))
        })
        const startedAt = performance.now()
        const body = JSON.stringify({ percent: 50, timeSpentSec: 1 })
        const answered = await fetch(`/api/v1/lessons/${lesson?.id}/progress`, { method: 'PUT', headers, body })
        if (!answered.ok) throw new Error(`the report was answered with ${answered.status}`)
        const heardAt = await heard
        if (time >= 0) took.push(heardAt - startedAt)
        channel.unbind('progress.updated')
      }
      client.disconnect()
      return took
    },
    { authorization: `Bearer ${token}`, times: reports, pusher: await backend.pusher() },
  )
  expect(latencies).toHaveLength(reports)
  await measure.environment(backend)
  await measure.latencies(latencies, {
    id: 'browser.event',
    title: 'Chromium, event after a click',
    targets,
    stretch,
    voidReason,
  })
})
