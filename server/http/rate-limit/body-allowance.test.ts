import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from '@playwright/test'
import express from 'express'
import { pino } from 'pino'
import { request } from 'undici'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { serve } from '#fixtures/edges/serve.ts'
import { createErrorHandler } from '#server/http/error-handler.ts'
import { createRequestContext } from '#optimizations/express/request-context.ts'
import { BodyAllowance } from './body-allowance.ts'

const LIMIT_BYTES = 100_000
const TYPE = 'application/json'
const LARGE = 'x'.repeat(60_000)

/** A server that reads bodies for an address that has 100,000 bytes, and 1,000 a second, on a clock that stands still. */
async function serveBodies() {
  const clock = new ManualClock()
  const held: unknown[] = []
  const refusals = { holdReply: async (response: unknown) => void held.push(response) }
  const allowance = new BodyAllowance({ clock, refusals }, { tokensPerSec: 1_000, burst: 100_000 })
  const app = express()
  app.set('trust proxy', 1)
  app.use(createRequestContext({ timeoutMs: 30_000 }))
  const parser = express.raw({ type: TYPE, limit: LIMIT_BYTES })
  app.post('/', allowance.metered(parser, { type: TYPE, limitBytes: LIMIT_BYTES }), (_request, response) => {
    response.end()
  })
  app.use(createErrorHandler(pino({ level: 'silent' })))
  const { url, [Symbol.asyncDispose]: end } = await serve(app)
  const post = async (body: string | Buffer | Readable, headers: Record<string, string> = {}) => {
    const reply = await request(url, { method: 'POST', headers: { 'content-type': TYPE, ...headers }, body })
    await reply.body.dump()
    return { status: reply.statusCode, retryAfter: reply.headers['retry-after'] }
  }
  const statusOf = async (...args: Parameters<typeof post>): Promise<number> => (await post(...args)).status
  return { clock, held, allowance, post, statusOf, [Symbol.asyncDispose]: end }
}

test('an address in debt is refused late, with the time until it has paid, and nobody else is', async () => {
  await using served = await serveBodies()
  const { post, statusOf, clock, held, allowance } = served
  expect([await statusOf(LARGE), await statusOf(LARGE)]).toEqual([200, 200])
  const refused = await post(LARGE)
  expect([refused.status, refused.retryAfter]).toEqual([429, '21'])
  expect(held).toHaveLength(1)
  expect(await statusOf(LARGE, { 'x-forwarded-for': '192.0.2.1' })).toBe(200)
  await clock.advance(19_999)
  expect(await statusOf(LARGE)).toBe(429)
  await clock.advance(1_001)
  expect(await statusOf(LARGE)).toBe(200)
  expect(allowance.statistics()).toEqual({ allowed: 4, refused: 2 })
})

test('bodies of up to 16 KiB are neither counted nor refused', async () => {
  await using served = await serveBodies()
  const small = 'x'.repeat(16_384)
  for (let nth = 0; nth < 20; nth += 1) expect(await served.statusOf(small)).toBe(200)
  expect(await served.statusOf(LARGE)).toBe(200)
  await served.statusOf(LARGE)
  expect(await served.statusOf(LARGE)).toBe(429)
  expect(await served.statusOf(small)).toBe(200)
})

test('a body counts as long as it is when it is inflated', async () => {
  await using served = await serveBodies()
  const packed = gzipSync(LARGE)
  const gzip = { 'content-encoding': 'gzip' }
  expect([await served.statusOf(packed, gzip), await served.statusOf(packed, gzip)]).toEqual([200, 200])
  expect(await served.statusOf(packed, gzip)).toBe(429)
})

test('a body whose head does not tell its length counts as long as it is', async () => {
  await using served = await serveBodies()
  const chunked = (text: string) => Readable.from([Buffer.from(text)])
  for (let nth = 0; nth < 20; nth += 1) expect(await served.statusOf(chunked('{}'))).toBe(200)
  expect([await served.statusOf(chunked(LARGE)), await served.statusOf(chunked(LARGE))]).toEqual([200, 200])
  expect(await served.statusOf(chunked('{}'))).toBe(429)
})

test('a body that is too large counts as much as is read of it', async () => {
  await using served = await serveBodies()
  const bomb = gzipSync(Buffer.alloc(10_000_000))
  expect(await served.statusOf(bomb, { 'content-encoding': 'gzip' })).toBe(413)
  expect(await served.statusOf(LARGE)).toBe(429)
})

test('what the parser does not read is not counted', async () => {
  await using served = await serveBodies()
  for (let nth = 0; nth < 5; nth += 1) expect(await served.statusOf(LARGE, { 'content-type': 'text/plain' })).toBe(200)
  expect(await served.statusOf(LARGE)).toBe(200)
  expect(served.allowance.statistics()).toEqual({ allowed: 1, refused: 0 })
})
