import { createHmac } from 'node:crypto'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'

const school = new SchoolIndex(seededSchool())
const SOCKET = '1234.5678'

test('a presence channel tells its members who is there, by the name in the database and not by one of their own', async ({
  realtime,
  app,
}) => {
  const { id: classId } = school.classOf('student1')
  const client = await app.signIn('student1')
  const { status, body } = await client.post('/api/v1/realtime/auth', {
    socket_id: SOCKET,
    channel_name: `presence-class-${classId}`,
  })
  expect(status).toBe(200)
  expect(JSON.parse(body['channel_data'] as string)).toEqual({
    user_id: school.userId('student1'),
    user_info: { displayName: school.user('student1').displayName, role: 'student' },
  })
  const member = await realtime.connectAs('student1')
  await member.subscribe(`presence-class-${classId}`)
})

test('many channels are answered in one request, each on its own', async ({ app }) => {
  const own = `private-class-${school.classOf('student1').id}`
  const foreign = `private-class-${school.classOf('student9', 'student1').id}`
  const { status, body } = await (
    await app.signIn('student1')
  ).post('/api/v1/realtime/auth', {
    socket_id: SOCKET,
    channel_names: [own, foreign, 'public'],
  })
  expect(status).toBe(200)
  expect(body).toMatchObject({ [own]: { status: 200 }, [foreign]: { status: 403 }, public: { status: 400 } })
})

test('a revoked enrolment is refused at once on every kind of class channel, however warm the decision was', async ({
  app,
}) => {
  const [teacher, student] = [await app.signIn('teacher1'), await app.signIn('student23')]
  const fields = { name: 'Knots', subject: 'Games', gradeLevel: 2 }
  const classId = (await teacher.post('/api/v1/classes', fields)).body['id'] as string
  const studentId = school.userId('student23')
  const channels = [`private-class-${classId}`, `presence-class-${classId}`]
  const statuses = () =>
    Promise.all(
      channels.map(async (channel) => {
        const question = { socket_id: SOCKET, channel_name: channel }
        return (await student.post('/api/v1/realtime/auth', question)).status
      }),
    )
  for (let round = 0; round < 10; round += 1) {
    expect(await statuses()).toEqual([403, 403])
    await teacher.post(`/api/v1/classes/${classId}/enrollments`, { studentId })
    expect(await statuses()).toEqual([200, 200])
    await teacher.delete(`/api/v1/classes/${classId}/enrollments/${studentId}`)
  }
  expect(await statuses()).toEqual([403, 403])
})

test.describe('an event of people’s own', () => {
  const classOf = (username: string): string => `private-class-${school.classOf(username).id}`

  test('reaches the class with the name of its sender, and not the connection that sent it', async ({
    app,
    realtime,
  }) => {
    const channel = classOf('student1')
    const listener = await realtime.connectAs(school.teacherOf(school.classOf('student1').id))
    await listener.subscribe(channel)
    const { status } = await (
      await app.signIn('student1')
    ).post('/api/v1/realtime/trigger', {
      channel,
      event: 'typing.started',
      data: { from: 'somebody else' },
    })
    expect(status).toBe(202)
    await expect.poll(() => listener.received.length).toBe(1)
    expect(listener.received[0]).toMatchObject({
      event: 'typing.started',
      data: { from: school.userId('student1'), data: { from: 'somebody else' } },
    })
  })

  for (const [what, username, channel, event, status] of [
    ['a student types in an own class', 'student1', classOf('student1'), 'typing.started', 202],
    ['a student announces', 'student1', classOf('student1'), 'announcement.new', 403],
    [
      'a student types in a class of others',
      'student1',
      `private-class-${school.classOf('student9', 'student1').id}`,
      'typing.started',
      403,
    ],
    ['a student forges a result', 'student1', `private-user-${school.userId('student1')}`, 'quiz.result', 403],
    ['a student writes to another', 'student1', `private-user-${school.userId('student2')}`, 'typing.started', 403],
    ['a teacher announces in an own class', 'teacher1', classOf('teacher1'), 'announcement.new', 202],
    ['a teacher announces in another’s class', 'teacher2', classOf('teacher1'), 'announcement.new', 403],
    ['a teacher sends an alert', 'teacher1', classOf('teacher1'), 'alert.new', 403],
    ['an admin sends an alert', 'admin', classOf('teacher1'), 'alert.new', 202],
    ['an admin forges an update', 'admin', classOf('teacher1'), 'class.updated', 403],
    ['a parent types', 'parent1', classOf('teacher1'), 'typing.started', 403],
    ['somebody uses a protocol event', 'admin', classOf('teacher1'), 'pusher:ping', 400],
  ] as const) {
    test(`gets ${status} when ${what}`, async ({ app }) => {
      const client = await app.signIn(username)
      expect((await client.post('/api/v1/realtime/trigger', { channel, event, data: {} })).status).toBe(status)
    })
  }

  test('is refused with 413 when it is over ten kilobytes', async ({ app }) => {
    const reply = await (
      await app.signIn('teacher1')
    ).post('/api/v1/realtime/trigger', {
      channel: classOf('teacher1'),
      event: 'announcement.new',
      data: { text: 'x'.repeat(10_240) },
    })
    expect(reply.status).toBe(413)
  })
})

test.describe('a webhook', () => {
  const send = async (url: string, body: string, headers: Record<string, string>) =>
    fetch(`${url}/api/v1/realtime/webhook`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })
  const event = (timeMs: number): string => JSON.stringify({ time_ms: timeMs, events: [] })
  const sign = (body: string, secret: string): string => createHmac('sha256', secret).update(body).digest('hex')

  test('that Pusher signed is taken', async ({ app, pusher }) => {
    const body = event(Date.now())
    const headers = { 'x-pusher-key': pusher.key, 'x-pusher-signature': sign(body, pusher.secret) }
    expect((await send(app.url, body, headers)).status).toBe(200)
  })

  for (const what of [
    'is signed by somebody else',
    'was changed on its way',
    'is an hour old',
    'has no signature',
  ] as const) {
    test(`that ${what} is refused`, async ({ app, pusher }) => {
      const body = event(what === 'is an hour old' ? Date.now() - 3_600_000 : Date.now())
      const signature = sign(body, what === 'is signed by somebody else' ? 'another' : pusher.secret)
      const sent = what === 'was changed on its way' ? body.replace('[]', '[ ]') : body
      const headers = { 'x-pusher-key': pusher.key, 'x-pusher-signature': signature }
      expect((await send(app.url, sent, what === 'has no signature' ? {} : headers)).status).toBe(401)
    })
  }
})
