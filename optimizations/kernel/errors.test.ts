import { expect, test } from '@playwright/test'
import { AppError, describeError } from './errors.ts'

for (const [what, error, text] of [
  ['an error', new Error('no'), 'no'],
  ['an error without a message', new TypeError(), 'TypeError'],
  [
    'an error with its causes',
    new Error('no', { cause: new Error('because', { cause: 'of it' }) }),
    'no: because: of it',
  ],
  ['several errors without a word of their own', new AggregateError([new Error('one'), 'two'], ''), 'one; two'],
  ['several errors with a word of their own', new AggregateError([new Error('one')], 'all failed'), 'all failed'],
  ['no error among several', new AggregateError([], ''), 'AggregateError'],
  ['something else that was thrown', 42, '42'],
  ['nothing', undefined, 'undefined'],
] as const) {
  test(`${what} is described as "${text}"`, () => {
    expect(describeError(error)).toBe(text)
  })
}

test('an error of ours has its code, the name of its class, and is not to be tried again unless it says so', () => {
  class LateError extends AppError<'late'> {}
  const { name, code, message, retryable, details, cause } = new LateError('late', 'Too late')
  expect({ name, code, message, retryable, details }).toEqual({
    name: 'LateError',
    code: 'late',
    message: 'Too late',
    retryable: false,
    details: {},
  })
  expect(cause).toBeUndefined()
  const slow = new Error('slow')
  const described = new LateError('late', 'Too late', { retryable: true, details: { afterMs: 5 }, cause: slow })
  expect([described.retryable, described.details, described.cause]).toEqual([true, { afterMs: 5 }, slow])
})
