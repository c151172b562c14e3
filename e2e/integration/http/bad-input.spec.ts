import { createHmac } from 'node:crypto'
import { expect, test } from '#fixtures/test.ts'
import { seededSchool } from '#fixtures/data/seed.ts'

const lessonId = seededSchool().lessons[0]?.id ?? ''
const JSON_TYPE = { 'content-type': 'application/json' }
const progress = `/api/v1/lessons/${lessonId}/progress`

/** Well formed in every part, and signed by somebody else. */
function forgedToken(): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const claims = { sub: seededSchool().users[0]?.id, role: 'admin', iss: 'hotpath', exp: 4_102_444_800 }
  const signed = `${encode({ alg: 'HS256' })}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', 'a guess at the secret').update(signed).digest('base64url')}`
}

function unsignedToken(): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  return `${encode({ alg: 'none' })}.${encode({ sub: seededSchool().users[0]?.id, role: 'admin', iss: 'hotpath' })}.`
}

interface Case {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly request?: { headers?: Record<string, string>; body?: string }
  readonly status: number
  readonly code: string
}

const signedIn: readonly Case[] = [
  { what: 'an unknown route', method: 'GET', path: '/api/v1/nothing', status: 404, code: 'not_found' },
  { what: 'an unknown page', method: 'GET', path: '/../../etc/passwd', status: 404, code: 'not_found' },
  { what: 'an id that is none', method: 'GET', path: '/api/v1/lessons/42', status: 400, code: 'invalid_request' },
  {
    what: 'a path that cannot be decoded',
    method: 'GET',
    path: '/api/v1/lessons/%ff',
    status: 400,
    code: 'bad_request',
  },
  ...['%ff', '%', '%zz', '%E0%A4%A', 'a%ed%a0%80'].map((search) => ({
    what: `a query with ${search}, which cannot be decoded,`,
    method: 'GET',
    path: `/api/v1/content?search=${search}`,
    status: 400,
    code: 'invalid_request',
  })),
  {
    what: 'an id of no lesson',
    method: 'GET',
    path: '/api/v1/lessons/00000000-0000-4000-8000-000000000000',
    status: 404,
    code: 'not_found',
  },
  { what: 'a method that is not there', method: 'DELETE', path: progress, status: 405, code: 'method_not_allowed' },
  {
    what: 'malformed JSON',
    method: 'PUT',
    path: progress,
    request: { headers: JSON_TYPE, body: '{"percent": 4' },
    status: 400,
    code: 'malformed_json',
  },
  {
    what: 'JSON that is no object',
    method: 'PUT',
    path: progress,
    request: { headers: JSON_TYPE, body: '"percent"' },
    status: 400,
    code: 'malformed_json',
  },
  { what: 'no body', method: 'PUT', path: progress, status: 400, code: 'invalid_request' },
  {
    what: 'a wrong content type',
    method: 'PUT',
    path: progress,
    request: { headers: { 'content-type': 'text/plain' }, body: '{"percent":1,"timeSpentSec":1}' },
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    what: 'a charset that nobody reads',
    method: 'PUT',
    path: progress,
    request: { headers: { 'content-type': 'application/json; charset=iso-8859-1' }, body: '{}' },
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    what: 'a body over the limit',
    method: 'PUT',
    path: progress,
    request: { headers: JSON_TYPE, body: JSON.stringify({ percent: 1, filler: 'x'.repeat(200_000) }) },
    status: 413,
    code: 'body_too_large',
  },
  {
    what: 'a value out of range',
    method: 'PUT',
    path: progress,
    request: { headers: JSON_TYPE, body: '{"percent":101,"timeSpentSec":1}' },
    status: 400,
    code: 'invalid_request',
  },
  {
    what: 'a value of another type',
    method: 'PUT',
    path: progress,
    request: { headers: JSON_TYPE, body: '{"percent":"50","timeSpentSec":1}' },
    status: 400,
    code: 'invalid_request',
  },
  {
    what: 'a field that nobody asked for',
    method: 'PUT',
    path: progress,
    request: { headers: JSON_TYPE, body: '{"percent":5,"timeSpentSec":1,"role":"admin"}' },
    status: 400,
    code: 'invalid_request',
  },
  {
    what: 'a socket id that is none',
    method: 'POST',
    path: '/api/v1/realtime/auth',
    request: { headers: JSON_TYPE, body: '{"socket_id":"1.2:private-x","channel_name":"private-x"}' },
    status: 400,
    code: 'invalid_request',
  },
]

for (const { what, method, path, request, status, code } of signedIn) {
  test(`${what} gets ${status} as problem+json with a request id`, async ({ app }) => {
    const client = await app.signIn('student1')
    const reply = await client.send(method, path, request)
    expect(reply.status).toBe(status)
    expect(reply.headers.get('content-type')).toContain('application/problem+json')
    expect(reply.body).toMatchObject({ type: 'about:blank', status, code })
    expect(reply.body['requestId']).toBe(reply.headers.get('x-request-id'))
    expect(reply.body['detail']).toMatch(/\w/)
  })
}

for (const [what, authorization] of [
  ['a missing token', undefined],
  ['a token that is none', 'Bearer nonsense'],
  ['a token with another signature', `Bearer ${forgedToken()}`],
  ['a token without a signature', `Bearer ${unsignedToken()}`],
  ['another scheme', 'Basic c3R1ZGVudDE6aG90cGF0aA=='],
] as const) {
  test(`${what} gets 401 and is told how to authenticate`, async ({ app }) => {
    const reply = await app.anonymous.get('/api/v1/lessons', authorization === undefined ? {} : { authorization })
    expect(reply.status).toBe(401)
    expect(reply.headers.get('www-authenticate')).toBe('Bearer')
    expect(reply.body).toMatchObject({ code: 'unauthenticated' })
  })
}

test('a request id from outside is kept when it is harmless and replaced when it is not', async ({ app }) => {
  const kept = await app.anonymous.get('/health/live', { 'x-request-id': 'trace-0123456789' })
  expect(kept.headers.get('x-request-id')).toBe('trace-0123456789')
  const replaced = await app.anonymous.get('/health/live', { 'x-request-id': '"><script>' })
  expect(replaced.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
})
