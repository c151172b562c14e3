import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'
import { cacheKey, type KeyPart } from './cache-key.ts'

const keyPart: fc.Arbitrary<KeyPart> = fc.letrec<{ part: KeyPart }>((tie) => ({
  part: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.string({
      unit: fc.constantFrom(':', '~', '(', ')', ',', '=', '%', '*', '{', '}', '#', '@', '1', 'n', '\ud800'),
    }),
    fc.double(),
    fc.integer(),
    fc.bigInt(),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.date(),
    fc.array(tie('part'), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('part'), { maxKeys: 3, noNullPrototype: false }),
  ),
})).part

/** A form in which two values are equal exactly when they are the same to the last type. */
function canonical(part: KeyPart): string {
  if (part instanceof Date) return `date ${part.getTime()}`
  if (Array.isArray(part)) return `[${part.map(canonical).join()}]`
  if (typeof part === 'object' && part !== null) {
    const members = Object.entries(part as Record<string, KeyPart>).map(
      ([name, value]) => `${JSON.stringify(name)}:${canonical(value)}`,
    )
    return `{${members.sort().join()}}`
  }
  return typeof part === 'string' ? JSON.stringify(part) : `${typeof part} ${String(part)}`
}

test('parts that differ in type or content, anywhere inside, have different keys', () => {
  const parts = fc.array(keyPart, { maxLength: 4 })
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const areSame = a.map(canonical).join(' ; ') === b.map(canonical).join(' ; ') && a.length === b.length
      expect(cacheKey('p', ...a) === cacheKey('p', ...b)).toBe(areSame)
    }),
    { numRuns: 1_000 },
  )
})

test('parts that are nearly the same have different keys', () => {
  const near: KeyPart[][] = [
    ['a:b', 'c'],
    ['a', 'b:c'],
    ['a', 'b', 'c'],
    ['1'],
    [1],
    [1n],
    [true],
    ['true'],
    ['~true'],
    [null],
    ['null'],
    [undefined],
    [],
    [''],
    ['', ''],
    [[]],
    [{}],
    [[1, 2]],
    [[[1], 2]],
    [[1, [2]]],
    [{ a: 1 }],
    [{ a: '1' }],
    [{ a: undefined }],
    [['a=~1']],
    [new Date(1)],
    ['~@1'],
    [Number.NaN],
  ]
  expect(new Set(near.map((parts) => cacheKey('p', ...parts))).size).toBe(near.length)
})

test('the order of the properties of an object does not matter', () => {
  expect(cacheKey('p', { a: 1, b: { c: 2, d: 3 } })).toBe(cacheKey('p', { b: { d: 3, c: 2 }, a: 1 }))
})

test('a key reads like what it was made of, and holds nothing that a pattern or a slot would read', () => {
  expect(cacheKey('user', 'ada', 42)).toBe('user:ada:~42')
  fc.assert(
    fc.property(fc.array(keyPart), (parts) => {
      expect(cacheKey('p', ...parts)).not.toMatch(/[{}*?[\]\\\s]/)
    }),
  )
})

test('a long key is cut to a bounded length, and still differs by its last character', () => {
  const [a, b] = [cacheKey('page', 'x'.repeat(5_000)), cacheKey('page', `${'x'.repeat(4_999)}y`)]
  expect(a).not.toBe(b)
  expect(a.length).toBeLessThan(64)
  expect(a).toMatch(/^page:#/)
})

test('an instance of a class is refused: two of them would share a key, or none would ever hit', () => {
  class Session {
    readonly id = 1
  }
  const session = new Session() as unknown as KeyPart
  expect(() => cacheKey('p', session)).toThrow(/plain values/)
  expect(() => cacheKey('p', new Map() as unknown as KeyPart)).toThrow(/plain values/)
})
