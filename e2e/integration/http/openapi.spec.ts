import { expect, test } from '#fixtures/test.ts'

interface Operation {
  readonly summary: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> }
  readonly responses: Readonly<Record<string, object>>
  readonly security?: readonly unknown[]
}

type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>

const WITH_BODY: ReadonlySet<string> = new Set(['put', 'patch'])

/** Every `$ref` in a document. */
function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, part]) => (name === '$ref' ? [String(part)] : referencesIn(part)))
}

test('the document is OpenAPI 3.1, whole, and the same bytes each time', async ({ app }) => {
  const first = await app.anonymous.get('/api/v1/openapi.json')
  expect(first.status).toBe(200)
  expect(first.body['openapi']).toMatch(/^3\.1\.\d$/)
  const etag = first.headers.get('etag') ?? ''
  expect((await app.anonymous.get('/api/v1/openapi.json', { 'if-none-match': etag })).status).toBe(304)
  const document = first.body
  const references = new Set(referencesIn(document))
  expect(references.size).toBeGreaterThan(5)
  for (const reference of references) {
    const found = reference
      .slice(2)
      .split('/')
      .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document)
    expect(found, reference).toBeDefined()
  }
})

test('every operation names its parameters, its bodies and its problems', async ({ app }) => {
  const paths = (await app.anonymous.get('/api/v1/openapi.json')).body['paths'] as Paths
  expect(Object.keys(paths).length).toBeGreaterThan(20)
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const where = `${method} ${path}`
      const named = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => `{${name}}`)
      expect(named.toSorted(), where).toEqual([...path.matchAll(/\{\w+\}/g)].map(([name]) => name).toSorted())
      expect(operation.summary, where).toMatch(/\w/)
      const statuses = Object.keys(operation.responses)
      expect(
        statuses.some((status) => status.startsWith('2')),
        where,
      ).toBe(true)
      expect(statuses.includes('401'), where).toBe(operation.security === undefined || /sign-in|webhook/.test(path))
      const bodies = Object.values(operation.requestBody?.content ?? {})
      if (WITH_BODY.has(method)) expect(bodies.length, where).toBeGreaterThan(0)
      for (const { schema } of bodies) expect(schema, where).toBeInstanceOf(Object)
    }
  }
})

test('nothing that is hidden is in the document: no password hash, and no answer for students to find', async ({
  app,
}) => {
  const text = JSON.stringify((await app.anonymous.get('/api/v1/openapi.json')).body)
  expect(text).not.toMatch(/passwordHash|password_hash|secret/i)
})
