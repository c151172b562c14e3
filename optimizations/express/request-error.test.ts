import { expect, test } from '@playwright/test'
import express from 'express'
import { EXPRESS_VERSIONS } from '#fixtures/edges/express-versions.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { RequestError } from './request-error.ts'

for (const [version, create] of EXPRESS_VERSIONS) {
  test(`${version}: without an error handler the status is that of the error`, async () => {
    const app = create()
    app.set('env', 'test')
    app.get('/', (_request, _response, next) => next(new RequestError(429, 'rate_limited', 'slow down')))
    await using served = await serve(app)
    expect((await fetch(served.url)).status).toBe(429)
  })

  // http-errors, by which body parsers say what they met, writes the status to the error once more.
  test(`${version}: an error that a body parser hands on keeps its status and code`, async () => {
    const app = create()
    const verify = () => {
      throw new RequestError(413, 'body_too_large', 'too much')
    }
    app.use(express.json({ verify }))
    app.use(((error: RequestError, _request, response, _next) => {
      response.status(error.statusCode).json({ code: error.code, status: error.status })
    }) satisfies express.ErrorRequestHandler)
    await using served = await serve(app)
    const reply = await fetch(served.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    expect([reply.status, await reply.json()]).toEqual([413, { code: 'body_too_large', status: 413 }])
  })
}
