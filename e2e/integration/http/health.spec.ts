import { expect, test } from '#fixtures/test.ts'

test('live answers without asking any service', async ({ app }) => {
  const reply = await app.anonymous.get('/health/live')
  expect(reply.status).toBe(200)
  expect(reply.body).toEqual({ status: 'healthy' })
})

test('ready probes all three services and names each', async ({ app }) => {
  const reply = await app.anonymous.get('/health/ready')
  expect(reply.status).toBe(200)
  expect(reply.body).toMatchObject({
    status: 'healthy',
    reasons: [],
    services: {
      cache: { status: 'healthy', reasons: [] },
      database: { status: 'healthy', reasons: [] },
      pusher: { status: 'healthy', reasons: [] },
    },
  })
})
