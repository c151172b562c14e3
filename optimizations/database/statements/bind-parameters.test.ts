import { JsonProperty, raw } from '@mikro-orm/core'
import { expect, test } from '@playwright/test'
import { bindParameters, oidsOf } from './bind-parameters.ts'
import { encodeValue, withoutNul } from './encode-value.ts'
import { numberPlaceholders } from './placeholders.ts'

const iso = (date: Date): string => date.toISOString()

test('each value is declared with the type that its literal has', () => {
  const values = [1, -2_147_483_647, 2_147_483_648, 2 ** 62, 2 ** 63, 1.5, true, 'x', 5n, null, new Date(0), { a: 1 }]
  const bound = bindParameters([...values, Buffer.from([1])], iso)
  expect(bound?.signature).toBe('iillnnbuuuuux')
  expect(bound?.values.slice(0, 3)).toEqual(['1', '-2147483647', '2147483648'])
  expect(bound?.values.slice(8)).toEqual(['5', null, '1970-01-01T00:00:00.000Z', '{"a":1}', Buffer.from([1])])
  expect(oidsOf('ilnbux?')).toEqual([23, 20, 1700, 16, 0, 17, 0])
  const tagged = Object.defineProperty([1, { b: 2 }], JsonProperty, { value: true })
  expect(bindParameters([tagged], iso)).toEqual({ signature: 'u', values: ['[1,{"b":2}]'] })
})

test('what has no twin as a parameter is left to the literal', () => {
  for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY, [1, 2], raw('now()'), Symbol('s'), new Map()]) {
    expect(bindParameters([value], iso)).toBeNull()
  }
  expect(
    bindParameters(
      Array.from({ length: 65_535 }, () => 1),
      iso,
    ),
  ).not.toBeNull()
  expect(
    bindParameters(
      Array.from({ length: 65_536 }, () => 1),
      iso,
    ),
  ).toBeNull()
})

test('values of hand-written statements become text, bytes, JSON and arrays', () => {
  expect(encodeValue(undefined, iso)).toBeNull()
  expect(encodeValue(false, iso)).toBe('false')
  expect(encodeValue(new Uint8Array([7]), iso)).toEqual(Buffer.from([7]))
  expect(encodeValue([1, null, 'a"b\\c', [new Date(0)], Buffer.from([255])], iso)).toBe(
    '{"1",NULL,"a\\"b\\\\c",{"1970-01-01T00:00:00.000Z"},"\\\\xff"}',
  )
  expect(encodeValue(() => 1, iso)).toBeNull()
  expect(withoutNul('plain')).toBe('plain')
  expect(() => withoutNul('a\0b')).toThrow('NUL')
})

test('placeholders are numbered where the ORM would paste, and only there', () => {
  expect(numberPlaceholders('select ?, ?')).toEqual({ text: 'select $1, $2', count: 2 })
  expect(numberPlaceholders('a \\? ? \\?')).toEqual({ text: 'a ? $1 ?', count: 1 })
  expect(numberPlaceholders('? first')).toEqual({ text: '$1 first', count: 1 })
  expect(numberPlaceholders('none')).toEqual({ text: 'none', count: 0 })
  expect(numberPlaceholders('select ?? from x')).toBeNull()
})
