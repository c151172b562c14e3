import { expect, test } from '@playwright/test'
import express from 'express'
import { request } from 'undici'
import { z } from 'zod'
import { serve } from '#fixtures/edges/serve.ts'
import { createReplyEncoder } from '#server/services/reply-encoder.ts'
import { hasAlready, refuseUnencodedReplies, sendEncoded } from './send-reply.ts'

const ETAG = '"abcdefghijklmnopqrstuvwxyz0"'

for (const [header, isSame] of [
  [ETAG, true],
  [`W/${ETAG}`, true],
  ['"abcdefghijklmnopqrstuvwxyz0-gzip"', true],
  ['W/"abcdefghijklmnopqrstuvwxyz0-br"', true],
  [`"other", W/${ETAG}`, true],
  ['*', true],
  ['"other"', false],
  ['abcdefghijklmnopqrstuvwxyz0', false],
  ['"abcdefghijklmnopqrstuvwxyz0-other"', false],
  ['', false],
  [undefined, false],
] as const) {
  test(`If-None-Match: ${header} ${isSame ? 'names' : 'does not name'} the entity tag`, () => {
    expect(hasAlready(header, ETAG)).toBe(isSame)
  })
}

const encoded = createReplyEncoder({ isStrict: true }).encode(z.object({ text: z.string() }), { text: 'ünï' })

function createApp() {
  const app = express()
  refuseUnencodedReplies(app)
  app.get('/', (_request, response) => sendEncoded(response, encoded))
  for (const name of ['json', 'jsonp', 'send'] as const) {
    app.get(`/${name}`, (_request, response) => {
      response[name]({ secret: 's3cret' })
    })
  }
  app.use(((error: Error, _request, response, _next) => {
    response.status(500).end(error.message)
  }) satisfies express.ErrorRequestHandler)
  return app
}

test('GET has the body, HEAD the same headers without it, and a known tag 304 without type and length', async () => {
  await using served = await serve(createApp())
  const get = await request(served.url)
  expect(await get.body.text()).toBe('{"text":"ünï"}')
  expect(get.headers['content-length']).toBe(String(encoded.body.length))
  const head = await request(served.url, { method: 'HEAD' })
  expect(await head.body.text()).toBe('')
  for (const name of ['content-length', 'content-type', 'etag', 'cache-control']) {
    expect(head.headers[name]).toBe(get.headers[name])
  }
  const known = await request(served.url, { headers: { 'if-none-match': `W/${encoded.etag}` } })
  expect(known.statusCode).toBe(304)
  expect(await known.body.text()).toBe('')
  expect(known.headers['etag']).toBe(encoded.etag)
  expect(known.headers['content-type']).toBeUndefined()
})

for (const name of ['json', 'jsonp', 'send'] as const) {
  test(`response.${name}() of a value that no schema has built fails, and sends nothing of it`, async () => {
    await using served = await serve(createApp())
    const { statusCode, body } = await request(`${served.url}/${name}`)
    expect(statusCode).toBe(500)
    expect(await body.text()).not.toContain('s3cret')
  })
}
