import { expect, test } from '@playwright/test'
import { AppError } from '#optimizations/kernel/errors.ts'
import { createLogger } from './logger.ts'

function logOf(entry: object): string {
  let line = ''
  createLogger('info', { write: (text) => void (line += text) }).info(entry, 'message')
  return line
}

test('an error is logged by type, code, message and frames', () => {
  const cause = new Error('the reason behind it')
  const error = new AppError('queue_full', 'nobody takes it', { details: { waiting: 7 }, cause })
  const { err } = JSON.parse(logOf({ err: error })) as { err: Record<string, unknown> }
  expect(err).toMatchObject({
    type: 'AppError',
    code: 'queue_full',
    message: 'nobody takes it',
    details: { waiting: 7 },
  })
  expect(err['cause']).toMatchObject({ type: 'Error', message: 'the reason behind it' })
  expect((err['stack'] as string[])[0]).toMatch(/^at /)
})

test('an error of SQL shows its code, and neither its statement nor its values', () => {
  const error = Object.assign(new Error("insert into users values ('hunter2') - duplicate key"), {
    name: 'UniqueConstraintViolationException',
    code: '23505',
    detail: 'Key (email)=(hunter2) already exists.',
    query: "insert into users values ('hunter2')",
  })
  const line = logOf({ err: new Error('could not save', { cause: error }) })
  expect(line).toContain('"23505"')
  expect(line).toContain('could not save')
  expect(line).not.toContain('hunter2')
})

test('what is thrown and is no error is logged by its type only', () => {
  expect(logOf({ err: 'hunter2' })).not.toContain('hunter2')
})

test('a chain of causes that bites its tail ends', () => {
  const error = new Error('round')
  error.cause = error
  expect(logOf({ err: error })).toContain('round')
})

for (const name of ['password', 'token', 'authorization', 'secret', 'cookie']) {
  test(`what is called ${name} is not shown, at either depth`, () => {
    expect(logOf({ user: { [name]: 'hunter2' } })).not.toContain('hunter2')
    expect(logOf({ request: { headers: { [name]: 'hunter2' } } })).not.toContain('hunter2')
  })
}
