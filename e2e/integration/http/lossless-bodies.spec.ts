import { createHmac } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { request } from 'undici'
import { expect, test } from '#fixtures/test.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { API_DOCUMENT_PATH, parseApiDocument } from '#fixtures/fuzz/api-document.ts'

const lessonId = seededSchool().lessons[0]?.id ?? ''
const progress = `/api/v1/lessons/${lessonId}/progress`
const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

interface Sent {
  readonly method?: 'POST' | 'PUT'
  readonly path: string
  readonly type?: string
  readonly body: string | Buffer
  readonly token?: string
  readonly headers?: Record<string, string>
}

/** Bytes as they are: what is sent here is no valid text. */
async function send(url: string, { method = 'POST', path, type = JSON_TYPE, body, token, headers }: Sent) {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const reply = await request(new URL(path, url), {
    method,
    headers: { 'content-type': type, ...authorization, ...headers },
    body,
  })
  return { status: reply.statusCode, problem: (await reply.body.json()) as Record<string, unknown> }
}

const LOST: readonly (readonly [what: string, body: string, path: string])[] = [
  ['a number beyond all doubles', '{"data":{"scores":[1,1e400]}}', 'data.scores.1'],
  ['a number that becomes 0', '{"data":{"score":1e-400}}', 'data.score'],
  ['a whole number that changes', '{"data":{"id":9007199254740993}}', 'data.id'],
  ['the name __proto__', '{"data":{"__proto__":{"admin":true}}}', 'data.__proto__'],
  ['the name __proto__ in escapes', '{"data":{"\\u005f_proto__":1}}', 'data.__proto__'],
  ['a name that stands twice', '{"data":{"a":1,"a":2}}', 'data.a'],
  ['half of a surrogate pair', '{"data":{"a":"\\ud800"}}', 'data.a'],
]

for (const [what, body, path] of LOST) {
  test(`every endpoint that takes JSON refuses ${what} with 400 and says where it is`, async ({ app }) => {
    const { token } = await app.session('admin')
    const document: unknown = await (await fetch(`${app.url}${API_DOCUMENT_PATH}`)).json()
    const endpoints = parseApiDocument(document).filter(({ bodies }) => JSON_TYPE in bodies)
    // Were the document read wrongly, the loop would pass without having asked anything.
    expect(endpoints.length).toBeGreaterThan(10)
    expect(endpoints.map((endpoint) => endpoint.path)).toContain('/api/v1/realtime/webhook')
    for (const endpoint of endpoints) {
      const { status, problem } = await send(app.url, {
        method: endpoint.method.toUpperCase() as 'POST',
        path: endpoint.path.replaceAll(/\{[^}]*\}/g, lessonId),
        body,
        token,
      })
      expect({ endpoint: endpoint.path, status, problem }).toMatchObject({
        endpoint: endpoint.path,
        status: 400,
        problem: { code: 'invalid_request', errors: [{ path }], detail: expect.stringContaining(path) },
      })
    }
  })
}

test('free-form data come back as they were sent', async ({ app }) => {
  const client = await app.signIn('teacher1')
  const data = {
    whole: 9_007_199_254_740_991,
    small: 5e-324,
    large: 1e23,
    third: 0.1,
    constructor: 1,
    '': [{ a: null }],
  }
  const fields = { title: 'Kept', contentType: 'note', subject: 'maths', gradeLevel: 5, difficulty: 'easy' }
  const created = await client.post('/api/v1/content', { ...fields, data })
  expect(created.status).toBe(201)
  const read = await client.get(`/api/v1/content/${created.body['id'] as string}`)
  expect(read.body['data']).toEqual(data)
})

test('a webhook that Pusher signed is refused where something of it would be lost', async ({ app, pusher }) => {
  const body = `{"time_ms":${Date.now()},"events":[],"events":[]}`
  const signature = createHmac('sha256', pusher.secret).update(body).digest('hex')
  const headers = { 'x-pusher-key': pusher.key, 'x-pusher-signature': signature }
  const { status, problem } = await send(app.url, { path: '/api/v1/realtime/webhook', body, headers })
  expect(status).toBe(400)
  expect(problem['errors']).toEqual([{ path: 'events', message: 'stands twice in its object' }])
})

const valid = '{"percent":10,"timeSpentSec":1}'
const latin1 = Buffer.from('{"percent":10,"timeSpentSec":1,"note":"\u00e9"}', 'latin1')

const ENCODINGS: readonly (readonly [what: string, sent: Omit<Sent, 'path'>, status: number, code?: string])[] = [
  ['a byte order mark is passed over', { body: Buffer.from(`\uFEFF${valid}`) }, 200],
  ['a charset in quotation marks and capitals is read', { body: valid, type: `${JSON_TYPE}; charset="UTF-8"` }, 200],
  ['bytes that are no UTF-8 are refused', { body: latin1 }, 400, 'malformed_json'],
  ['UTF-16 without a word is refused', { body: Buffer.from(`\uFEFF${valid}`, 'utf16le') }, 400, 'malformed_json'],
  [
    'UTF-16 is refused',
    { body: Buffer.from(valid, 'utf16le'), type: `${JSON_TYPE}; charset=utf-16` },
    415,
    'unsupported_media_type',
  ],
  ['Latin-1 is refused', { body: valid, type: `${JSON_TYPE}; charset=iso-8859-1` }, 415, 'unsupported_media_type'],
  ['a body in gzip is read', { body: gzipSync(valid), headers: { 'content-encoding': 'gzip' } }, 200],
  [
    'a body in gzip that is over the limit once it is inflated is refused',
    { body: gzipSync(`{"a":"${'x'.repeat(10_000_000)}"}`), headers: { 'content-encoding': 'gzip' } },
    413,
    'body_too_large',
  ],
  [
    'an encoding that nobody reads is refused',
    { body: valid, headers: { 'content-encoding': 'compress' } },
    415,
    'unsupported_media_type',
  ],
]

for (const [title, sent, status, code] of ENCODINGS) {
  test(`JSON: ${title}`, async ({ app }) => {
    const { token } = await app.session('student1')
    const reply = await send(app.url, { method: 'PUT', path: progress, token, ...sent })
    expect(reply).toMatchObject({ status, problem: code === undefined ? {} : { code } })
  })
}

const FORMS: readonly (readonly [what: string, body: string | Buffer, path: string])[] = [
  ['a field that is given twice', 'socket_id=1.1&socket_id=2.2', 'socket_id'],
  ['a field that is given twice, once in escapes', 'socket_id=1.1&socket%5Fid=2.2', 'socket_id'],
  ['a field named __proto__', 'socket_id=1.1&__proto__=1', '__proto__'],
  ['a field without a name', 'socket_id=1.1&=1', 'name'],
  ['escapes that are no UTF-8', 'socket_id=%ff', 'socket_id'],
  ['half an escape', 'socket_id=1.1%2', 'socket_id'],
  ['bytes that are no UTF-8', Buffer.from('socket_id=\u00e9', 'latin1'), 'form'],
]

for (const [what, body, path] of FORMS) {
  test(`a form with ${what} is refused with 400, and told where it is`, async ({ app }) => {
    const { token } = await app.session('student1')
    const reply = await send(app.url, { path: '/api/v1/realtime/user-auth', type: FORM_TYPE, body, token })
    expect(reply).toMatchObject({ status: 400, problem: { code: 'invalid_request', errors: [{ path }] } })
  })
}

test('a form of single fields is read, and one in Latin-1 is refused', async ({ app }) => {
  const { token } = await app.session('student1')
  const form = { path: '/api/v1/realtime/user-auth', body: 'socket%5Fid=1%2E1', token }
  expect(await send(app.url, { ...form, type: FORM_TYPE })).toMatchObject({ status: 200 })
  expect(await send(app.url, { ...form, type: `${FORM_TYPE}; charset=iso-8859-1` })).toMatchObject({ status: 415 })
})
