import { expect, test } from '@playwright/test'
import { Registry } from 'prom-client'
import { EXPRESS_VERSIONS } from '#fixtures/edges/express-versions.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { createMetricsHandler } from './metrics-handler.ts'

for (const [version, create] of EXPRESS_VERSIONS) {
  test(`${version}: the page is all sources in one, in the type that Prometheus expects`, async () => {
    const app = create()
    app.get('/metrics', createMetricsHandler([async () => 'a 1\n', async () => 'b 2\n']))
    await using served = await serve(app)
    const reply = await fetch(`${served.url}/metrics`)
    expect([reply.headers.get('content-type'), reply.headers.get('cache-control')]).toEqual([
      Registry.PROMETHEUS_CONTENT_TYPE,
      'no-store',
    ])
    expect(await reply.text()).toBe('a 1\n\nb 2\n')
  })

  test(`${version}: a source that fails is an error of its request`, async () => {
    const app = create()
    app.set('env', 'test')
    app.get('/metrics', createMetricsHandler([async () => 'a 1\n', () => Promise.reject(new Error('broken'))]))
    await using served = await serve(app)
    expect((await fetch(`${served.url}/metrics`)).status).toBe(500)
  })
}
