import { expect, test } from '@playwright/test'
import { iso, isPosition } from './stamps.ts'

for (const [stamp, expected] of [
  ['2026-11-28 09:15:00.123456+00', '2026-11-28T09:15:00.123Z'],
  ['2026-11-28 09:15:00+05:30', '2026-11-28T03:45:00.000Z'],
  ['1900-01-01 00:19:32+00:19:32', '1900-01-01T00:00:00.000Z'],
  ['2026-11-28T09:15:00Z', '2026-11-28T09:15:00.000Z'],
  ['infinity', '9999-12-31T23:59:59.999Z'],
  ['-infinity', '0001-01-01T00:00:00.000Z'],
  ['10000-01-01 00:00:00+00', '9999-12-31T23:59:59.999Z'],
  ['294276-12-31 23:59:59.999999+00', '9999-12-31T23:59:59.999Z'],
  ['9999-12-31 23:59:59-01', '9999-12-31T23:59:59.999Z'],
  ['0044-03-15 12:00:00+00 BC', '0001-01-01T00:00:00.000Z'],
  ['0001-01-01 00:00:00+14', '0001-01-01T00:00:00.000Z'],
  [null, null],
] as const) {
  test(`${stamp} of the database is ${expected} of the API`, () => {
    expect(iso(stamp)).toBe(expected)
  })
}

for (const stamp of ['28.11.2026 09:15:00 UTC', '11/28/2026 09:15:00 UTC', 'Sat Nov 28 09:15:00 2026 UTC', '1', '']) {
  test(`"${stamp}", which another DateStyle may write, is refused instead of taken for another moment`, () => {
    expect(() => iso(stamp)).toThrow('DateStyle')
  })
}

for (const [text, isOne] of [
  ['2026-11-28 09:15:00.123456', true],
  ['2024-02-29 00:00:00', true],
  ['2000-02-29 00:00:00', true],
  ['0005-02-29 00:00:00 BC', true],
  ['294275-12-31 23:59:59.999999', true],
  ['infinity', true],
  ['-infinity', true],
  ['2026-02-30 00:00:00', false],
  ['2023-02-29 00:00:00', false],
  ['1900-02-29 00:00:00', false],
  ['2026-13-01 00:00:00', false],
  ['2026-00-10 00:00:00', false],
  ['2026-11-28 24:00:00', false],
  ['2026-11-28 09:15:60', false],
  ['0000-01-01 00:00:00', false],
  ['294276-01-01 00:00:00', false],
  ['4713-01-01 00:00:00 BC', false],
  ['2026-11-28T09:15:00', false],
  ['2026-11-28', false],
  ['1', false],
  ['now', false],
] as const) {
  test(`"${text}" is ${isOne ? 'a' : 'no'} position in a list by time`, () => {
    expect(isPosition(text)).toBe(isOne)
  })
}
