import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'
import { findJsonLoss } from './json-loss.ts'

const KEPT = [
  '{"a":0,"b":-0,"c":-1.5e3,"d":[1,2,3],"e":{"a":1}}',
  '[{"a":1},{"a":1}]',
  '9007199254740992',
  '1e23',
  '1E+21',
  '1.0e2',
  '100000000000000000000',
  '5e-324',
  '1.7976931348623157e308',
  '0.30000000000000004',
  // What C and others write for the double 0.1.
  '0.10000000000000001',
  '0.000000000000000000000000000000000000',
  '0e400',
  '"1e400"',
  '"\\\\\\" 1e400"',
  '"\\ud83d\\ude00"',
  '{"proto":1,"constructor":2,"":3}',
]

for (const text of KEPT) {
  test(`nothing is lost of ${text}`, () => {
    expect(findJsonLoss(text)).toBeUndefined()
  })
}

const LOST: readonly (readonly [text: string, path: string, message: string])[] = [
  ['1e400', '', 'the number 1e400 would become Infinity'],
  ['{"data":{"scores":[1,{"best":-1E400}]}}', 'data.scores.1.best', 'the number -1E400 would become -Infinity'],
  ['[1e-400]', '0', 'the number 1e-400 would become 0'],
  ['9007199254740993', '', 'the number 9007199254740993 would become 9007199254740992'],
  ['9007199254740993.0', '', 'the number 9007199254740993.0 would become 9007199254740992'],
  ['90071992547409930e-1', '', 'the number 90071992547409930e-1 would become 9007199254740992'],
  [
    '3.141592653589793238462643383279',
    '',
    'the number 3.141592653589793238462643383279 would become 3.141592653589793',
  ],
  [`{"a":1${'0'.repeat(400)}}`, 'a', `the number 1${'0'.repeat(39)}… would become Infinity`],
  ['{"a":{"__proto__":{"admin":true}}}', 'a.__proto__', 'is a name that objects do not keep'],
  ['{"\\u005f_proto__":1}', '__proto__', 'is a name that objects do not keep'],
  ['{"a":1,"b":{"c":1,"c":1}}', 'b.c', 'stands twice in its object'],
  ['{"a":1,"\\u0061":2}', 'a', 'stands twice in its object'],
  ['{"a":["x","\\ud800"]}', 'a.1', 'has half of a surrogate pair, which is no text'],
  ['{"\\udc00":1}', '\uFFFD', 'has half of a surrogate pair, which is no text'],
]

for (const [text, path, message] of LOST) {
  test(`of ${text.slice(0, 50)} it is said what would be lost, and where`, () => {
    expect(findJsonLoss(text)).toEqual({ path, message })
  })
}

test('what a program writes with JSON.stringify is never refused, unless it has __proto__ or half a pair in it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value)
      const isFit = !text.includes('"__proto__"') && !/\\ud[89a-f]/.test(text)
      expect(findJsonLoss(text) === undefined).toBe(isFit)
    }),
  )
})

/** JSON text as people and other languages write it: any spaces, any escapes, any number, names given twice. */
const writtenText = fc.letrec<{ value: string }>((tie) => {
  const space = fc.constantFrom('', ' ', '\n\t')
  const digits = fc.integer({ min: 0, max: 10 ** 9 }).map(String)
  const number = fc
    .tuple(fc.constantFrom('', '-'), digits, fc.constantFrom('', '0'.repeat(12), '.5', '.0', '.12345678901234'))
    .chain(([sign, whole, more]) =>
      fc
        .constantFrom('', 'e3', 'E-3', 'e+300', 'e-330')
        .map((power) => sign + whole + (whole === '0' && !more.startsWith('.') ? '' : more) + power),
    )
  const string = fc.array(fc.constantFrom('a', 'é', '😀', '\\n', '\\"', '\\\\', '\\u0061', '{', ',', '1e400'), {
    maxLength: 4,
  })
  const quoted = string.map((parts) => `"${parts.join('')}"`)
  const list = fc.array(tie('value'), { maxLength: 3 })
  const members = fc.array(fc.tuple(fc.constantFrom('"a"', '"b"', '"\\u0061"', '"__proto__"', '"c"'), tie('value')), {
    maxLength: 3,
  })
  const container = fc.oneof(
    list.map((items) => `[${items.join(',')}]`),
    members.map((pairs) => `{${pairs.map(([name, value]) => `${name}:${value}`).join(',')}}`),
  )
  const leaf = fc.oneof(number, quoted, fc.constantFrom('null', 'true', 'false'))
  return {
    value: fc
      .tuple(space, fc.oneof({ maxDepth: 4, depthSize: 'small' }, leaf, container), space)
      .map((parts) => parts.join('')),
  }
}).value

/** Members in the text, however often a name stands there. */
function countMembers(text: string): number {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1
}

function countKept(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce(
    (sum: number, part) => sum + countKept(part),
    Array.isArray(value) ? 0 : Object.keys(value).length,
  )
}

const withoutMinusZero = (text: string): unknown => JSON.parse(text, (_name, part: unknown) => (part === 0 ? 0 : part))

test('what is accepted has every member and every whole number of the text, and survives being written and read again', () => {
  let accepted = 0
  fc.assert(
    fc.property(writtenText, (text) => {
      if (findJsonLoss(text) !== undefined) return
      accepted += 1
      const value: unknown = JSON.parse(text, (_name, part: unknown, context?: { source?: string }) => {
        const source = context?.source
        if (typeof part === 'number' && source !== undefined) {
          expect(Number.isFinite(part)).toBe(true)
          expect(part !== 0 || /^-?[0.]*(e|$)/i.test(source)).toBe(true)
          // Written out again, it is the number that was sent.
          if (/^-?\d+$/.test(source + String(part))) expect(String(part)).toBe(source === '-0' ? '0' : source)
        }
        return part
      })
      expect(countKept(value)).toBe(countMembers(text))
      // -0 and 0 are one number in JSON.
      expect(JSON.parse(JSON.stringify(value)) as unknown).toEqual(withoutMinusZero(text))
      expect(
        Object.getPrototypeOf(value ?? {}) === Object.prototype || typeof value !== 'object' || Array.isArray(value),
      ).toBe(true)
    }),
    { numRuns: 2_000 },
  )
  expect(accepted).toBeGreaterThan(500)
})

test('a hostile text of a megabyte is read in linear time', () => {
  const hostile = [
    (length: number) => `"${'\\"'.repeat(length)}"`,
    (length: number) => '['.repeat(length) + ']'.repeat(length),
    (length: number) => `[0.${'0'.repeat(length)}1]`,
    (length: number) => `["${'\\\\'.repeat(length)}"]`,
    (length: number) => `{${Array.from({ length }, (_, at) => `"${at}":0`).join(',')}}`,
  ]
  for (const make of hostile) {
    // Quadratic, a megabyte would take minutes and not end before the time limit of the test.
    expect(() => findJsonLoss(make(400_000))).not.toThrow()
  }
})
