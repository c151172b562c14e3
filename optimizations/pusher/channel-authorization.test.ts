import { createHmac } from 'node:crypto'

import { expect, test } from '@playwright/test'

import { TEST_APP } from '#fixtures/doubles/pusher-rig.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { createChannelAuthorizer, type ChannelDecision, type ChannelUser } from './channel-authorization.ts'

interface Person extends ChannelUser {
  readonly role: 'student' | 'teacher' | 'admin'
}

const student: Person = { id: 'student-1', role: 'student' }
const other: Person = { id: 'student-2', role: 'student' }
const teacher: Person = { id: 'teacher-1', role: 'teacher' }
const admin: Person = { id: 'admin-1', role: 'admin' }

const SOCKET = '123.456'
const sign = (text: string): string => `key:${createHmac('sha256', 'secret').update(text).digest('hex')}`

/** Class 1 has student-1 and teacher-1; everybody has a channel of their own; admins may listen anywhere. */
function createSchool() {
  const enrolled = new Set(['student-1', 'teacher-1'])
  const asked: string[] = []
  const clock = new ManualClock(1_700_000_000_000)
  const policy = async (person: Person, channel: string): Promise<ChannelDecision> => {
    asked.push(`${person.id} ${channel}`)
    if (person.role === 'admin') return true
    if (/^(private|private-encrypted)-user-(.+)$/.exec(channel)?.[2] === person.id) return true
    if (/^(private|presence)-class-1$/.test(channel)) {
      return enrolled.has(person.id) && (channel.startsWith('private-') || { userInfo: { role: person.role } })
    }
    return channel === 'private-staff' && person.role === 'teacher'
  }
  return { enrolled, asked, clock, authorizer: createChannelAuthorizer({ app: TEST_APP, policy }, { clock }) }
}

const ALL = [student, other, teacher, admin]
for (const [channel, allowed] of [
  ['private-class-1', [student, teacher, admin]],
  ['presence-class-1', [student, teacher, admin]],
  ['private-class-2', [admin]],
  ['private-staff', [teacher, admin]],
  ['private-user-student-1', [student, admin]],
  ['private-encrypted-user-student-1', [student, admin]],
  ['private-class-1.', [admin]],
  ['private-class-11', [admin]],
  ['private-Class-1', [admin]],
  ['private-user-student-1-x', [admin]],
] as const) {
  for (const person of ALL) {
    const isAllowed = allowed.some(({ id }) => id === person.id)
    test(`${person.id} is ${isAllowed ? 'let' : 'not let'} into ${channel}`, async () => {
      const { authorizer } = createSchool()
      const answer = authorizer.authorize(person, SOCKET, channel)
      if (isAllowed) expect((await answer).auth).toMatch(/^key:[0-9a-f]{64}$/)
      else await expect(answer).rejects.toMatchObject({ code: 'denied', details: { channel } })
    })
  }
}

for (const channel of [
  'public',
  'private-',
  'presence-',
  'private',
  '#server-to-user-student-1',
  'private-class-1\n',
  'private-class-1:{"user_id":"admin-1"}',
  'private-class 1',
  'PRIVATE-class-1',
  ' private-class-1',
  '',
  `private-${'x'.repeat(200)}`,
]) {
  test(`the channel ${JSON.stringify(channel.slice(0, 40))} is not even asked about`, async () => {
    const { authorizer, asked } = createSchool()
    await expect(authorizer.authorize(admin, SOCKET, channel)).rejects.toMatchObject({ code: 'invalid_request' })
    expect(asked).toEqual([])
  })
}

for (const socketId of ['socket123', '', '1', '1.2.3', '1.2:private-other', '1.2\n', '-1.2', `${'9'.repeat(21)}.1`]) {
  test(`the socket id ${JSON.stringify(socketId)} is refused as forged`, async () => {
    const { authorizer, asked } = createSchool()
    await expect(authorizer.authorize(admin, socketId, 'private-x')).rejects.toMatchObject({ code: 'invalid_request' })
    expect(() => authorizer.authenticateUser(admin, socketId)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    )
    expect(asked).toEqual([])
  })
}

test.describe('signatures', () => {
  test('are what Pusher documents, for this socket and this channel', async () => {
    const { authorizer } = createSchool()
    expect(await authorizer.authorize(student, SOCKET, 'private-class-1')).toEqual({
      auth: sign(`${SOCKET}:private-class-1`),
    })
  })

  test('of a presence channel are over the very bytes of the data, with the id of the user who asks', async () => {
    const { authorizer } = createSchool()
    const { auth, channel_data: data } = await authorizer.authorize(student, SOCKET, 'presence-class-1')
    expect(data).toBe('{"user_id":"student-1","user_info":{"role":"student"}}')
    expect(auth).toBe(sign(`${SOCKET}:presence-class-1:${data}`))
    const ofAdmin = await authorizer.authorize(admin, SOCKET, 'presence-class-1')
    expect(ofAdmin.channel_data).toBe('{"user_id":"admin-1","user_info":{}}')
  })

  test('are made anew for another socket, and the decision is not', async () => {
    const { authorizer, asked } = createSchool()
    const first = await authorizer.authorize(student, '1.1', 'private-class-1')
    const second = await authorizer.authorize(student, '2.2', 'private-class-1')
    expect(second.auth).toBe(sign('2.2:private-class-1'))
    expect(second.auth).not.toBe(first.auth)
    expect(asked).toHaveLength(1)
  })

  test('come with the shared secret on an encrypted channel', async () => {
    const { authorizer } = createSchool()
    const answer = await authorizer.authorize(student, SOCKET, 'private-encrypted-user-student-1')
    expect(Buffer.from(answer.shared_secret ?? '', 'base64')).toHaveLength(32)
  })

  test('of a sign-in are over the user, with a watchlist of at most a hundred', () => {
    const { authorizer } = createSchool()
    const signed = authorizer.authenticateUser(student, SOCKET, { userInfo: { name: 'S' }, watchlist: ['teacher-1'] })
    expect(JSON.parse(signed.user_data)).toEqual({
      id: 'student-1',
      user_info: { name: 'S' },
      watchlist: ['teacher-1'],
    })
    expect(signed.auth).toBe(sign(`${SOCKET}::user::${signed.user_data}`))
    expect(authorizer.authenticateUser(student, SOCKET).user_data).toBe('{"id":"student-1"}')
    const watchlist = Array.from({ length: 101 }, (_, n) => `user-${n}`)
    expect(() => authorizer.authenticateUser(student, SOCKET, { watchlist })).toThrow(
      expect.objectContaining({ code: 'invalid_request', details: { actual: 101, allowed: 100 } }),
    )
  })

  test('are refused for presence data that Pusher would refuse', async () => {
    const policy = async (): Promise<ChannelDecision> => ({ userInfo: { text: 'x'.repeat(1_024) } })
    const authorizer = createChannelAuthorizer({ app: TEST_APP, policy })
    await expect(authorizer.authorize(student, SOCKET, 'presence-a')).rejects.toMatchObject({ code: 'invalid_request' })
    const long = createChannelAuthorizer({ app: TEST_APP, policy: async () => true })
    await expect(long.authorize({ id: 'x'.repeat(129) }, SOCKET, 'presence-a')).rejects.toMatchObject({
      code: 'invalid_request',
    })
  })
})

test.describe('a decision', () => {
  test('is asked for once by all who ask at the same time, and is remembered for its time', async () => {
    const { authorizer, asked, clock } = createSchool()
    await Promise.all(['1.1', '2.2', '3.3'].map((socket) => authorizer.authorize(student, socket, 'private-class-1')))
    await clock.advance(59_999)
    await authorizer.authorize(student, SOCKET, 'private-class-1')
    expect(asked).toHaveLength(1)
    await clock.advance(2)
    await authorizer.authorize(student, SOCKET, 'private-class-1')
    expect(asked).toHaveLength(2)
    expect(authorizer.stats()).toEqual({ signed: 5, denied: 0, cacheHits: 3, policyCalls: 2 })
  })

  test('is never remembered for longer than 60 s, whatever is asked for', async () => {
    const clock = new ManualClock(1_700_000_000_000)
    let asked = 0
    const policy = async (): Promise<boolean> => (asked += 1) > 0
    const authorizer = createChannelAuthorizer({ app: TEST_APP, policy, ttlMs: 3_600_000 }, { clock })
    await authorizer.authorize(student, SOCKET, 'private-a')
    await clock.advance(60_001)
    await authorizer.authorize(student, SOCKET, 'private-a')
    expect(asked).toBe(2)
  })

  test('is not shared between users, however their ids look', async () => {
    const { authorizer } = createSchool()
    await authorizer.authorize(teacher, SOCKET, 'private-staff')
    await expect(authorizer.authorize(student, SOCKET, 'private-staff')).rejects.toMatchObject({ code: 'denied' })
    const asked: string[] = []
    const policy = async (user: ChannelUser, channel: string): Promise<boolean> => {
      asked.push(`${user.id}|${channel}`)
      return user.id === 'a'
    }
    const tricky = createChannelAuthorizer({ app: TEST_APP, policy })
    await tricky.authorize({ id: 'a' }, SOCKET, 'private-b')
    await expect(tricky.authorize({ id: 'a:private-b' }, SOCKET, 'private-b')).rejects.toMatchObject({ code: 'denied' })
    expect(asked).toHaveLength(2)
  })

  test('to refuse is soon forgotten, so that whoever is enrolled gets in', async () => {
    const { authorizer, enrolled, clock } = createSchool()
    await expect(authorizer.authorize(other, SOCKET, 'private-class-1')).rejects.toMatchObject({ code: 'denied' })
    enrolled.add('student-2')
    await clock.advance(1_001)
    expect(await authorizer.authorize(other, SOCKET, 'private-class-1')).toHaveProperty('auth')
  })

  for (const channel of ['private-class-1', undefined]) {
    test(`is gone at once when ${channel ?? 'everything of the user'} is revoked`, async () => {
      const { authorizer, enrolled } = createSchool()
      await authorizer.authorize(student, SOCKET, 'private-class-1')
      await authorizer.authorize(teacher, SOCKET, 'private-class-1')
      enrolled.delete('student-1')
      authorizer.revoke('student-1', channel)
      await expect(authorizer.authorize(student, SOCKET, 'private-class-1')).rejects.toMatchObject({ code: 'denied' })
      expect(authorizer.stats().policyCalls).toBe(3)
    })
  }

  test('that was being made when it was revoked is made anew, also for those who already waited for it', async () => {
    const answers = [Promise.withResolvers<boolean>(), Promise.withResolvers<boolean>()]
    let asked = 0
    const policy = (): Promise<boolean> => {
      asked += 1
      return answers[asked - 1]?.promise ?? Promise.resolve(false)
    }
    const authorizer = createChannelAuthorizer({ app: TEST_APP, policy })
    const waiting = authorizer.authorize(student, SOCKET, 'private-a')
    authorizer.revoke('student-1')
    answers[0]?.resolve(true)
    answers[1]?.resolve(false)
    await expect(waiting).rejects.toMatchObject({ code: 'denied' })
    expect(asked).toBe(2)
  })

  test('that failed is asked for again', async () => {
    let asked = 0
    const policy = async (): Promise<boolean> => {
      asked += 1
      if (asked === 1) throw new Error('database is away')
      return true
    }
    const authorizer = createChannelAuthorizer({ app: TEST_APP, policy })
    await expect(authorizer.authorize(student, SOCKET, 'private-a')).rejects.toThrow('database is away')
    expect(await authorizer.authorize(student, SOCKET, 'private-a')).toHaveProperty('auth')
  })

  test('is forgotten for the least used when there are too many', async () => {
    let asked = 0
    const policy = async (): Promise<boolean> => (asked += 1) > 0
    const authorizer = createChannelAuthorizer({ app: TEST_APP, policy, maxDecisions: 2 })
    for (const channel of ['a', 'b', 'c', 'a']) await authorizer.authorize(student, SOCKET, `private-${channel}`)
    expect(asked).toBe(4)
  })
})

test.describe('a batch', () => {
  test('answers each channel on its own', async () => {
    const { authorizer } = createSchool()
    const names = ['private-class-1', 'private-staff', 'public', 'presence-class-1', 'private-class-1']
    const answers = await authorizer.authorizeMany(student, SOCKET, names)
    expect(answers).toEqual({
      'private-class-1': { status: 200, authorization: { auth: sign(`${SOCKET}:private-class-1`) } },
      'private-staff': { status: 403, error: 'denied' },
      public: { status: 400, error: 'invalid_request' },
      'presence-class-1': { status: 200, authorization: expect.objectContaining({ channel_data: expect.any(String) }) },
    })
  })

  test('of too many channels is refused', async () => {
    const { authorizer } = createSchool()
    const names = Array.from({ length: 101 }, (_, n) => `private-${n}`)
    await expect(authorizer.authorizeMany(student, SOCKET, names)).rejects.toMatchObject({ code: 'invalid_request' })
  })

  test('keeps what went wrong inside to itself', async () => {
    const policy = (): Promise<boolean> => Promise.reject(new Error('password=hunter2'))
    const authorizer = createChannelAuthorizer({ app: TEST_APP, policy })
    const answers = await authorizer.authorizeMany(student, SOCKET, ['private-a'])
    expect(answers).toEqual({ 'private-a': { status: 500, error: 'internal' } })
  })
})
