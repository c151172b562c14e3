import { expect, test } from '#fixtures/test.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'

test('a seeded user signs in and gets a token that opens the API', async ({ app }) => {
  const reply = await app.anonymous.signIn('student1', SEEDED_PASSWORD)
  expect(reply.status).toBe(200)
  expect(reply.headers.get('cache-control')).toBe('no-store')
  expect(reply.body['user']).toMatchObject({ username: 'student1', role: 'student' })
  expect(JSON.stringify(reply.body)).not.toContain('scrypt')

  const lessons = await app.anonymous.get('/api/v1/lessons', { authorization: `Bearer ${String(reply.body['token'])}` })
  expect(lessons.status).toBe(200)
})

test('a user signs in by the email address too', async ({ app }) => {
  const reply = await app.anonymous.signIn('student1@school.example', SEEDED_PASSWORD)
  expect(reply.status).toBe(200)
  expect(reply.body['user']).toMatchObject({ username: 'student1' })
})

for (const [what, username, password] of [
  ['a wrong password', 'student1', 'hotpaths'],
  ['an unknown user', 'nobody', SEEDED_PASSWORD],
] as const) {
  test(`${what} is refused without telling which part was wrong`, async ({ app }) => {
    const reply = await app.anonymous.signIn(username, password)
    expect(reply.status).toBe(401)
    expect(reply.body).toMatchObject({ code: 'invalid_credentials', detail: 'The name or the password is wrong.' })
  })
}

for (const [what, username, password] of [
  ['a name with a NUL character', 'student1\u0000', SEEDED_PASSWORD],
  ['a name of a thousand characters', 'x'.repeat(1_000), SEEDED_PASSWORD],
  ['a password of ten thousand characters', 'student1', 'x'.repeat(10_000)],
] as const) {
  test(`${what} is refused before anybody looks for it`, async ({ app }) => {
    const reply = await app.anonymous.post('/api/v1/auth/sign-in', { username, password })
    expect(reply.status).toBe(400)
    expect(reply.body).toMatchObject({ code: 'invalid_request' })
  })
}
