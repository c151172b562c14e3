import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'
import { MAX_CURSOR_LENGTH } from '#server/schemas/values.ts'
import { ServiceError } from './errors.ts'
import { pageOf, parseCursor } from './page.ts'

const ID = '00000000-0000-4000-8000-00000000000a'
const cursorOf = (values: unknown): string => Buffer.from(JSON.stringify(values)).toString('base64url')
const nextOf = (text: string): string => pageOf([text, ''], 1, (row) => [row, ID]).nextCursor ?? ''

test('whatever text a column of 200 characters holds, its cursor fits a query and leads back to it', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 200 }).filter((text) => Array.from(text).length <= 200)
  fc.assert(
    fc.property(fc.oneof(name, fc.constantFrom('😀'.repeat(200), '"'.repeat(200), '\u0001'.repeat(200))), (text) => {
      const cursor = nextOf(text)
      expect(cursor.length).toBeLessThanOrEqual(MAX_CURSOR_LENGTH)
      expect(parseCursor(cursor, 'text')).toEqual([text, ID])
    }),
  )
})

test('a position keeps its microseconds', () => {
  expect(parseCursor(nextOf('2026-11-28 09:15:00.123456'), 'stamp')).toEqual(['2026-11-28 09:15:00.123456', ID])
})

for (const [what, cursor] of [
  ['a number for a date', cursorOf(['1', ID])],
  ['a day that no month has', cursorOf(['2026-02-30 00:00:00', ID])],
  ['a year beyond those of the database', cursorOf(['300000-01-01 00:00:00', ID])],
  ['an id in upper case', cursorOf(['2026-11-28 09:15:00', ID.toUpperCase()])],
  ['a value more', cursorOf(['2026-11-28 09:15:00', ID, ID])],
  ['a value less', cursorOf(['2026-11-28 09:15:00'])],
  ['an object', cursorOf({ 0: '2026-11-28 09:15:00', 1: ID })],
  ['blanks in its JSON', Buffer.from(`["2026-11-28 09:15:00", "${ID}"]`).toString('base64url')],
  ['padding', `${cursorOf(['2026-11-28 09:15:00', ID])}=`],
  ['bytes that are no base64url', `${cursorOf(['2026-11-28 09:15:00', ID])}!`],
  ['nothing in it', 'AA'],
] as const) {
  test(`a cursor with ${what} is refused`, () => {
    expect(() => parseCursor(cursor, 'stamp')).toThrow(ServiceError)
  })
}

for (const [what, text] of [
  ['a NUL', 'a\0b'],
  ['half of a surrogate pair', 'a\ud800'],
] as const) {
  test(`a cursor with ${what} in its text is refused`, () => {
    expect(() => parseCursor(cursorOf([text, ID]), 'text')).toThrow(ServiceError)
  })
}
