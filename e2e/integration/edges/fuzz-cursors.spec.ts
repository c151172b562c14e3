import * as fc from 'fast-check'
import { secretsIn } from '#fixtures/edges/secrets.ts'
import { annotateFuzz } from '#fixtures/fuzz/annotate-fuzz.ts'
import { parseApiDocument } from '#fixtures/fuzz/api-document.ts'
import { cursorRequest } from '#fixtures/fuzz/cursor-arbitrary.ts'
import { startFuzzedServer } from '#fixtures/fuzz/fuzzed-server.ts'
import { readLists, type ListReader } from '#fixtures/fuzz/read-lists.ts'
import { sendFuzz, sortsOf, totalOf } from '#fixtures/fuzz/send-fuzz.ts'
import { expect, test } from '#fixtures/test.ts'

const REQUESTS = 6_000
const NOTIFICATIONS = 7
/** Ids and times are the same in every run, so that the same seed makes the same cursors; times as SQL keeps them, in microseconds. */
const ADD_NOTIFICATIONS = `
  insert into notifications (id, user_id, title, message, kind, data, created_at)
  select ('00000000-0000-4000-8000-' || lpad(to_hex(row_number() over (order by username, n)), 12, '0'))::uuid,
    id, 'Fuzz', 'Fuzz', 'system', '{}', timestamptz '2026-03-01T10:00:00.123456Z' + n / 2 * interval '1 second 1 microsecond'
  from users, generate_series(1, ${NOTIFICATIONS}) as n where username = any($1)`
/** What each may see in each list, as the rules of the school have it. */
const VISIBLE: Readonly<Record<string, string>> = {
  '/api/v1/notifications': 'select n.id from notifications n join users u on u.id = n.user_id where u.username = $1',
  '/api/v1/classes': `
    select c.id from school_classes c join users u on u.username = $1 where u.role = 'admin' or c.teacher_id = u.id
      or exists (select from enrollments e where e.school_class_id = c.id and e.student_id = u.id and e.status = 'active')`,
  '/api/v1/content': `
    select c.id from content_items c join users u on u.username = $1
    where u.role = 'admin' or c.status = 'published' or c.creator_id = u.id`,
}
/** Its cursor is the id of an event, checked by its schema, and who may read it at all may read all of it. */
const WITH_IDS = '/api/v1/admin/dead-letters'
const ACTORS = ['admin', 'teacher1', 'student1', 'student2', 'parent1'] as const

test('no cursor, however made, gets a 5xx or what the reader may not see, and the good ones go on to work', async ({
  app,
  serverEnvironment,
  seededDatabase,
  sql,
  intensity,
  seed,
}) => {
  const count = Math.ceil(REQUESTS * intensity)
  test.setTimeout(60_000 + count * 50)
  await sql(ADD_NOTIFICATIONS, [ACTORS])
  await using server = await startFuzzedServer(serverEnvironment)
  const document: unknown = await (await fetch(`${server.url}/api/v1/openapi.json`)).json()
  const paths = parseApiDocument(document)
    .filter(({ parameters }) => parameters.some(({ name }) => name === 'cursor'))
    .map(({ path }) => path)
    .filter((path) => path !== WITH_IDS)
  expect(paths.toSorted()).toEqual(Object.keys(VISIBLE).toSorted())
  const readers = ACTORS.map(async (actor): Promise<ListReader> => {
    const visible = new Map<string, ReadonlySet<string>>()
    for (const [path, query] of Object.entries(VISIBLE)) {
      visible.set(path, new Set((await sql<{ id: string }>(query, [actor])).map(({ id }) => id)))
    }
    const { token } = await app.session(actor)
    return { actor, token, visibleAt: (path) => visible.get(path) ?? new Set() }
  })
  const lists = await readLists(server.url, paths, await Promise.all(readers))
  for (const path of paths)
    expect(lists.filter(({ target }) => target.startsWith(path)).length, path).toBeGreaterThan(1)

  const requests = fc.sample(cursorRequest(lists), { seed, numRuns: count })
  const { counts, faults } = await sendFuzz({ url: server.url, secrets: secretsIn(serverEnvironment) }, requests)
  annotateFuzz(test.info(), { seed, counts })

  expect(sortsOf(faults)).toEqual([])
  const { sent, statuses } = totalOf(counts)
  expect(sent).toBe(count)
  for (const status of [200, 400]) expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
  expect(counts['cursor: good']?.['200']).toBeGreaterThan(0)
  expect(server.output()).not.toContain('"request failed"')
  await seededDatabase.reset()
})
