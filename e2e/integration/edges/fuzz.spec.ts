import { connect } from 'node:net'
import * as fc from 'fast-check'
import { Client } from 'pg'
import { seededSchool } from '#fixtures/data/seed.ts'
import { secretsIn } from '#fixtures/edges/secrets.ts'
import { annotateFuzz } from '#fixtures/fuzz/annotate-fuzz.ts'
import { parseApiDocument, type ApiOperation } from '#fixtures/fuzz/api-document.ts'
import { startFuzzedServer } from '#fixtures/fuzz/fuzzed-server.ts'
import { fuzzRequest, type FuzzKind, type FuzzWorld } from '#fixtures/fuzz/request-arbitrary.ts'
import { sendFuzz, sortsOf, totalOf } from '#fixtures/fuzz/send-fuzz.ts'
import { expect, test } from '#fixtures/test.ts'

const REQUESTS = 20_000
const KINDS: readonly FuzzKind[] = ['valid', 'nearly valid', 'hostile']
const ACTORS = ['admin', 'teacher1', 'teacher2', 'student1', 'student2', 'student50', 'parent1'] as const

const school = seededSchool()
const idsOf = (rows: readonly { readonly id: string }[]): readonly string[] => rows.slice(0, 40).map(({ id }) => id)
const IDS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/student|user|teacher|creator/i, idsOf(school.users)],
  [/class/i, idsOf(school.classes)],
  [/lesson/i, idsOf(school.lessons)],
  [/question/i, idsOf(school.questions)],
  [/assessment/i, idsOf(school.assessments)],
  [/submission/i, idsOf(school.submissions)],
  [/content/i, idsOf(school.content)],
  [/notification/i, idsOf(school.notifications)],
]
const everything = IDS.flatMap(([, ids]) => ids.slice(0, 5))
const idsFor: FuzzWorld['idsFor'] = (name) => IDS.find(([pattern]) => pattern.test(name))?.[1] ?? everything

/** Checking a password is slow on purpose: sign-in gets a tenth of what the others get. */
const weightOf = ({ path }: ApiOperation): number => (path.includes('/auth/') ? 1 : 10)

/** Rules that no sequence of requests may break, each as a query for the rows that break it. */
const BROKEN_RULES: Readonly<Record<string, string>> = {
  'a class with more active students than it has seats': `
    select c.id from school_classes c join enrollments e on e.school_class_id = c.id and e.status = 'active'
    group by c.id having count(*) > c.max_students`,
  'a student twice in a class': `select 1 from enrollments group by school_class_id, student_id having count(*) > 1`,
  'progress out of range': `select 1 from lesson_progress where percent not between 0 and 100 or time_spent_sec < 0`,
  'progress completed without a time, or the other way round': `
    select 1 from lesson_progress where (status = 'completed') <> (completed_at is not null)`,
  'more attempts than allowed': `
    select 1 from submissions s join assessments a on a.id = s.assessment_id
    group by s.assessment_id, s.student_id, a.max_attempts having count(*) > a.max_attempts`,
  'an attempt twice': `select 1 from submissions group by assessment_id, student_id, attempt_no having count(*) > 1`,
  'an event that nobody could deliver': `select 1 from hotpath_outbox where dead_at is not null`,
}

test('no request, however hostile, gets a 5xx, hangs or crashes the server, or leaves the data inconsistent', async ({
  app,
  serverEnvironment,
  seededDatabase,
  intensity,
  seed,
}) => {
  const count = Math.ceil(REQUESTS * intensity)
  test.setTimeout(120_000 + count * 50)
  await using server = await startFuzzedServer(serverEnvironment)
  const tokens = await Promise.all(ACTORS.map(async (username) => (await app.session(username)).token))
  const operations = parseApiDocument(await (await fetch(`${server.url}/api/v1/openapi.json`)).json())
  expect(operations.length).toBeGreaterThan(5)
  // The last two have no token, and one that is none.
  const world: FuzzWorld = { idsFor, tokens: [...tokens, undefined, 'no.token.really'] }
  const one = fc.oneof(
    ...operations.flatMap((operation) =>
      KINDS.map((kind) => ({ weight: weightOf(operation), arbitrary: fuzzRequest(operation, kind, world) })),
    ),
  )
  const database = new Client(seededDatabase.url)
  await database.connect()
  try {
    const users = async () => (await database.query('select count(*)::int as n from users')).rows
    const before = await users()

    const requests = fc.sample(one, { seed, numRuns: count })
    const { counts, faults } = await sendFuzz({ url: server.url, secrets: secretsIn(serverEnvironment) }, requests)
    annotateFuzz(test.info(), { seed, counts })

    expect(sortsOf(faults)).toEqual([])
    const { sent, statuses } = totalOf(counts)
    expect(sent).toBe(count)
    // Had everything been refused, nothing would have been tried.
    for (const status of [200, 400, 401, 403, 404]) expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
    expect(server.output()).not.toContain('"request failed"')
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200)

    expect(await users()).toEqual(before)
    for (const [rule, query] of Object.entries(BROKEN_RULES)) {
      expect((await database.query(query)).rows, rule).toEqual([])
    }
    const outbox = async () =>
      (await database.query('select count(*)::int as n from hotpath_outbox where delivered_at is null')).rows
    await expect.poll(outbox, { timeout: 60_000 }).toEqual([{ n: 0 }])
  } finally {
    await database.end()
    await seededDatabase.reset()
  }
})

test('bytes that are no HTTP get an error or a closed connection, and the server goes on', async ({
  app,
  seed,
  intensity,
}) => {
  const { hostname, port } = new URL(app.url)
  const beginning = fc.constantFrom(
    '',
    'GET / HTTP/1.1\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'POST /api/v1/auth/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n',
    'POST /api/v1/auth/sign-in HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`,
    'GET / HTTP/1.1\r\nhost: x\r\nx\u0000y: z\r\n\r\n',
  )
  const bytes = fc.tuple(beginning, fc.uint8Array({ maxLength: 300 }))
  for (const [head, tail] of fc.sample(bytes, { seed, numRuns: Math.ceil(400 * intensity) })) {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    let answer = ''
    socket.on('data', (data) => (answer += data.toString('latin1')))
    socket.write(head)
    socket.end(tail)
    await new Promise((resolve) => socket.on('close', resolve))
    if (answer !== '') expect(answer).toMatch(/^HTTP\/1\.1 (200|4\d\d|505) /)
  }
  expect((await app.anonymous.get('/health/live')).status).toBe(200)
})
