import { expect, test } from '#fixtures/test.ts'
import { seededSchool } from '#fixtures/data/seed.ts'

const school = seededSchool()
const enrollment = school.enrollments.find(
  (e) => e.student === school.users.find(({ username }) => username === 'student1')?.id,
)
const classId = enrollment?.schoolClass ?? ''
const lessonId = school.lessons.find((l) => l.schoolClass === classId && l.isPublished)?.id ?? ''
const foreignClassId = school.classes.find(
  (c) => !school.enrollments.some((e) => e.student === enrollment?.student && e.schoolClass === c.id),
)?.id

test('a PUT on progress reaches a subscriber of the class, once, as what was saved', async ({ app, realtime }) => {
  const client = await app.signIn('student1')
  const subscriber = await realtime.connectAs('student1')
  await subscriber.subscribe(`private-class-${classId}`)
  const reply = await client.put(`/api/v1/lessons/${lessonId}/progress`, { percent: 42, timeSpentSec: 10 })
  expect(reply.status).toBe(200)
  // On one channel events keep their order: whatever came of the first report is there when the second one's event is.
  const next = await client.put(`/api/v1/lessons/${lessonId}/progress`, { percent: 43, timeSpentSec: 11 })
  const percents = () => subscriber.received.map(({ data }) => (data as { percent: number }).percent)
  await expect.poll(() => percents().at(-1)).toBe(next.body['percent'])
  expect(percents()).toEqual([reply.body['percent'], next.body['percent']])
  expect(subscriber.received[0]).toMatchObject({
    channel: `private-class-${classId}`,
    event: 'progress.updated',
    data: { lessonId, classId, studentId: enrollment?.student, percent: reply.body['percent'], status: 'in_progress' },
  })
})

test('the events of one class arrive in the order of the reports', async ({ app, realtime }) => {
  const client = await app.signIn('student1')
  const subscriber = await realtime.connectAs('student1')
  await subscriber.subscribe(`private-class-${classId}`)
  const sent: number[] = []
  for (let percent = 50; percent < 70; percent += 1) {
    const { body } = await client.put(`/api/v1/lessons/${lessonId}/progress`, { percent, timeSpentSec: 20 })
    sent.push(body['percent'] as number)
  }
  await expect.poll(() => subscriber.received.length).toBe(sent.length)
  expect(subscriber.received.map(({ data }) => (data as { percent: number }).percent)).toEqual(sent)
})

test('a report that is refused publishes nothing', async ({ app, realtime }) => {
  const subscriber = await realtime.connectAs('student1')
  await subscriber.subscribe(`private-class-${classId}`)
  const client = await app.signIn('student1')
  const refused = await client.put(`/api/v1/lessons/${lessonId}/progress`, { percent: 400, timeSpentSec: 1 })
  expect(refused.status).toBe(400)
  // What is accepted next is in the same channel: had the refused one been published, it would have come first.
  await client.put(`/api/v1/lessons/${lessonId}/progress`, { percent: 80, timeSpentSec: 30 })
  await expect.poll(() => subscriber.received.length).toBe(1)
  expect(subscriber.received[0]?.data).toMatchObject({ percent: 80 })
})

for (const [what, username, channel] of [
  ['a class of others', 'student1', `private-class-${foreignClassId}`],
  ['a class, by a teacher of another', 'teacher2', `private-class-${classId}`],
  ['another user', 'student1', `private-user-${school.users[0]?.id}`],
  ['a class that is none', 'admin', 'private-class-everything'],
  ['a name that goes on behind the class', 'student1', `private-class-${classId}-x`],
  ['a kind of channel that nobody offers', 'student1', 'private-secrets'],
] as const) {
  test(`a subscription to ${what} is refused with 403`, async ({ realtime }) => {
    const subscriber = await realtime.connectAs(username)
    await expect(subscriber.subscribe(channel)).rejects.toThrow('403')
    expect(subscriber.received).toEqual([])
  })
}
