import { setTimeout as pace } from 'node:timers/promises'
import { expect, test } from '#fixtures/test.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import type { DeliveredEvent } from '#measurement/verdict/judge-delivery.ts'
import { recordDelivery, recordEnvironment } from '#measurement/record.ts'

const targets = { reach: '100%', ordered: true, duplicates: '<=0', p95: '<150ms' } as const

// Five classes at 20 events a second each for 8 s: enough for an interval on P95 of a stream that is not independent.
const CLASSES = 5
const EVENTS_PER_CLASS = 160
const INTERVAL_MS = 50
/** Progress only grows, so its steps number the events of a class. */
const PERCENT_PER_EVENT = 0.5

interface ProgressEvent {
  readonly percent: number
  readonly at: number
}

/** Students of different classes, each with a lesson to report on. */
function reporters(): { username: string; classId: string; lessonId: string }[] {
  const { users, enrollments, lessons } = seededSchool()
  const chosen = new Map<string, { username: string; classId: string; lessonId: string }>()
  for (const { student, schoolClass } of enrollments) {
    const user = users.find(({ id }) => id === student)
    const lesson = lessons.find((one) => one.schoolClass === schoolClass && one.isPublished)
    const isNew = [...chosen.values()].every(({ username }) => username !== user?.username)
    if (user === undefined || lesson === undefined || chosen.has(schoolClass) || !isNew) continue
    chosen.set(schoolClass, { username: user.username, classId: schoolClass, lessonId: lesson.id })
    if (chosen.size === CLASSES) break
  }
  return [...chosen.values()]
}

test('every report reaches its class, in order and once, within 150 ms of being published for 95 of 100', async ({
  app,
  realtime,
}, testInfo) => {
  const arrivals: DeliveredEvent[] = []
  const streams = await Promise.all(
    reporters().map(async ({ username, classId, lessonId }) => {
      const subscriber = await realtime.connectAs(username)
      await subscriber.subscribe(`private-class-${classId}`)
      return { client: await app.signIn(username), subscriber, path: `/api/v1/lessons/${lessonId}/progress` }
    }),
  )

  await Promise.all(
    streams.map(async ({ client, path }) => {
      for (let step = 1; step <= EVENTS_PER_CLASS; step += 1) {
        const [reply] = await Promise.all([
          client.put(path, { percent: step * PERCENT_PER_EVENT, timeSpentSec: step }),
          pace(INTERVAL_MS),
        ])
        expect(reply.status).toBe(200)
      }
    }),
  )
  const expected = CLASSES * EVENTS_PER_CLASS
  const received = () => streams.flatMap(({ subscriber }) => subscriber.received)
  await expect.poll(() => received().length).toBeGreaterThanOrEqual(expected)

  for (const { channel, event, data, receivedAt } of received()) {
    expect(event).toBe('progress.updated')
    const { percent, at } = data as ProgressEvent
    arrivals.push({ channel, sequence: Math.round(percent / PERCENT_PER_EVENT), latencyMs: receivedAt - at })
  }
  const delivery = { expected, events: arrivals }
  await recordEnvironment(testInfo, { services: app.services })
  await recordDelivery(testInfo, delivery, {
    id: 'event.progress',
    title: 'Progress event, publish to callback',
    targets,
  })
  expect(delivery).toDeliver(targets)
})
