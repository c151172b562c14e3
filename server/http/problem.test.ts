import { expect, test } from '@playwright/test'
import { AppError } from '#optimizations/kernel/errors.ts'
import { HttpError, problemOf } from './problem.ts'

const ofPostgres = (code: string): Error => Object.assign(new Error('password=hunter2'), { code, severity: 'ERROR' })
const ofExpress = (status: number, type: string, more: object = {}): Error =>
  Object.assign(new Error('secret'), { status, type, ...more })

const CASES: readonly (readonly [what: string, error: unknown, status: number, code: string])[] = [
  ['an error of HTTP itself', new HttpError(418, 'teapot', 'I am one.'), 418, 'teapot'],
  ['a refusal of a use case', new AppError('conflict', 'Too late.'), 409, 'conflict'],
  ['a code that no table knows', new AppError('broken_promise', 'secret'), 500, 'internal_error'],
  ['a statement that ran out of the request’s time', ofPostgres('57014'), 503, 'deadline_exceeded'],
  ['a server with no connection to give', ofPostgres('53300'), 503, 'database_unavailable'],
  ['a deadlock that repeating did not end', ofPostgres('40P01'), 503, 'database_unavailable'],
  ['a server that shuts down', ofPostgres('57P01'), 503, 'database_unavailable'],
  ['a constraint that nobody foresaw', ofPostgres('23514'), 500, 'internal_error'],
  ['a body that is too large', ofExpress(413, 'entity.too.large', { limit: 10 }), 413, 'body_too_large'],
  ['a body of unknown size that is too large', ofExpress(413, 'entity.too.large'), 413, 'body_too_large'],
  ['a character set that nobody reads', ofExpress(415, 'charset.unsupported'), 415, 'unsupported_media_type'],
  ['a path that cannot be decoded', ofExpress(400, ''), 400, 'bad_request'],
  ['a file in another state than was asked for', ofExpress(412, ''), 412, 'precondition_failed'],
  ['a part that a file does not have', ofExpress(416, ''), 416, 'range_not_satisfiable'],
  ['a fault of Express itself', ofExpress(500, 'stream.not.readable'), 500, 'internal_error'],
  ['what is no error at all', 'secret', 500, 'internal_error'],
]

for (const [what, error, status, code] of CASES) {
  test(`${what} is ${status} ${code}, and says nothing that it should not`, () => {
    const problem = problemOf(error, 'request-1')
    expect(problem).toMatchObject({ type: 'about:blank', status, code, requestId: 'request-1' })
    expect(JSON.stringify(problem)).not.toMatch(/secret|hunter2/)
  })
}

test('faults of single fields are listed', () => {
  const errors = [{ path: 'body.name', message: 'is too long' }]
  expect(problemOf(new HttpError(400, 'invalid_request', 'No.', errors), 'r').errors).toEqual(errors)
})
