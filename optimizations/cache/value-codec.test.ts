import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'
import { catalogPage } from '#fixtures/data/cache-values.ts'
import { ValueCodec, wholeBody } from './value-codec.ts'

const codec = new ValueCodec()

/** By another codec, as in another process: nothing that is needed for reading stays behind. */
function roundTrip(value: unknown): unknown {
  return new ValueCodec().decode(wholeBody(codec.encode(value)))
}

const scalar = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.double().filter((number) => !Object.is(number, -0)),
  fc.maxSafeInteger(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined, Number.NaN, Infinity),
  fc.date(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
)
const name = fc.string().filter((text) => text !== '__proto__')
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value')),
    fc.dictionary(name, tie('value'), { noNullPrototype: true }),
    fc.array(fc.tuple(scalar, tie('value'))).map((entries) => new Map(entries)),
    fc.array(scalar).map((items) => new Set(items)),
  ),
})).value

test('every value that can be kept comes back as it was, in a process that never saw one like it', () => {
  fc.assert(
    fc.property(value, (one) => isDeepStrictEqual(roundTrip(one), one)),
    { numRuns: 300 },
  )
})

test('values of many alike objects come back as they were, large enough to be compressed and told by shape', () => {
  const record = fc.record({ id: fc.nat(), name: fc.string(), at: fc.date(), more: value }, { noNullPrototype: true })
  fc.assert(
    fc.property(fc.array(record, { minLength: 20, maxLength: 40 }), (rows) => isDeepStrictEqual(roundTrip(rows), rows)),
    { numRuns: 40 },
  )
  for (let seed = 0; seed < 20; seed += 1) expect(roundTrip(catalogPage(seed))).toEqual(catalogPage(seed))
})

test('objects of which each has other names come back as they were', () => {
  const rows = Array.from({ length: 500 }, (_, index) => ({ [`name ${index}`]: index, [`${index}`]: 'x'.repeat(20) }))
  expect(roundTrip(rows)).toEqual(rows)
})

test('a name that would change the prototype changes nothing, in a small value and in a large one', () => {
  for (const length of [1, 2_000]) {
    const hostile = JSON.parse(`{"__proto__":{"isAdmin":true},"text":"${'x'.repeat(length)}"}`) as object
    for (const one of [hostile, { map: new Map(), hostile }]) {
      const decoded = roundTrip(one) as Record<string, unknown>
      expect(decoded['isAdmin']).toBeUndefined()
      expect((decoded['hostile'] as typeof decoded | undefined)?.['isAdmin']).toBeUndefined()
      expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined()
    }
  }
})

test('a name that is code is a name', () => {
  const names = ['constructor', "'];process.exit(1);//", '`${process.exit(1)}`', 'a b', '0', 'toString']
  const rows = Array.from({ length: 60 }, () => Object.fromEntries(names.map((one) => [one, 'text of some length'])))
  expect(roundTrip(rows)).toEqual(rows)
})

test('compression begins above 1,024 bytes', () => {
  // MessagePack writes three bytes in front of a text of this length.
  expect(codec.encode('x'.repeat(1_021)).bytes.length).toBe(1_024)
  expect(codec.encode('x'.repeat(1_022)).bytes.length).toBeLessThan(100)
})

test('what compression would not make smaller is kept as it is', () => {
  const noise = Buffer.concat(
    Array.from({ length: 100 }, (_, index) => createHash('sha512').update(String(index)).digest()),
  )
  const body = codec.encode(noise)
  // Were it compressed, the size before that would be another.
  expect(codec.plainBytes(wholeBody(body))).toBe(body.bytes.length)
  expect(body.bytes.length).toBeGreaterThanOrEqual(noise.length)
  expect(roundTrip(noise)).toEqual(noise)
})

test('the size before compression is known without decompressing', () => {
  const body = codec.encode('x'.repeat(2_000))
  expect(codec.plainBytes(wholeBody(body))).toBeGreaterThanOrEqual(2_000)
  expect(codec.plainBytes(wholeBody(codec.encode('short')))).toBeLessThan(10)
})

test('a symbol and a cycle are refused when they are written', () => {
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  for (const one of [Symbol('s'), { nested: [Symbol('s')] }, cycle]) expect(() => codec.encode(one)).toThrow()
})

test('a function is nothing by the time it is read', () => {
  expect(roundTrip({ f: () => 1 })).toEqual({ f: undefined })
})

test('an instance of a class comes back as a plain object', () => {
  class Point {
    readonly x = 1
  }
  expect(roundTrip(new Point())).toEqual({ x: 1 })
  expect(roundTrip(new Point())).not.toBeInstanceOf(Point)
})
