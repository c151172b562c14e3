import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'

import { TEST_APP } from '#fixtures/doubles/pusher-rig.ts'
import { readStamp } from './client/delivery-guard.js'
import {
  batchItem,
  createEncrypt,
  encodeData,
  multiChannelBody,
  stampedField,
  wireBytes,
  wireId,
} from './wire-format.ts'

const jsonValue = fc
  .jsonValue({ noUnicodeString: false })
  .filter((value) => typeof value !== 'object' || value === null || !('_event' in value))

test('whatever JSON can say arrives as it was published, with its stamp beside it', () => {
  fc.assert(
    fc.property(jsonValue, fc.string({ minLength: 1 }), fc.option(fc.string()), fc.nat(), (data, id, after, at) => {
      const json = encodeData('a', 'e', data)
      const stamp = { id: wireId(id), after: after === null ? undefined : wireId(`x${after}`).slice(0, 40), at }
      const arrived = readStamp(JSON.parse(JSON.parse(stampedField(json, stamp)) as string))
      expect(arrived).toEqual({ data: JSON.parse(JSON.stringify(data)) as unknown, stamp })
    }),
  )
})

test('the bytes that are counted before sending are never fewer than those that are sent', () => {
  const encrypt = createEncrypt(TEST_APP)
  fc.assert(
    fc.property(jsonValue, fc.uuid(), (data, id) => {
      const json = encodeData('a', 'e', data)
      const field = stampedField(json, { id, after: id, at: 1_700_000_000_000 })
      const sent = Buffer.byteLength(JSON.parse(field) as string)
      expect(wireBytes('a', json, id)).toBeGreaterThanOrEqual(sent)
      expect(wireBytes('a', json, id)).toBeLessThan(sent + 20)
      const channel = 'private-encrypted-a'
      const encrypted = Buffer.byteLength(JSON.parse(encrypt(channel, field)) as string)
      expect(wireBytes(channel, json, id)).toBeGreaterThanOrEqual(encrypted)
      expect(wireBytes(channel, json, id)).toBeLessThan(encrypted + 40)
    }),
    { numRuns: 50 },
  )
})

test('requests are JSON with the members that the API documents', () => {
  const data = '{"text":"a \\"quote\\" and \u{1F600}"}'
  expect(JSON.parse(batchItem('a', 'e"1', JSON.stringify(data), '1.2'))).toEqual({
    channel: 'a',
    name: 'e"1',
    data,
    socket_id: '1.2',
  })
  expect(JSON.parse(batchItem('a', 'e', JSON.stringify(data), undefined))).toEqual({ channel: 'a', name: 'e', data })
  expect(JSON.parse(multiChannelBody(['a', 'b'], 'e', JSON.stringify(data), '1.2'))).toEqual({
    channels: ['a', 'b'],
    name: 'e',
    data,
    socket_id: '1.2',
  })
  expect(JSON.parse(multiChannelBody(['a', 'b'], 'e', JSON.stringify(data), undefined))).not.toHaveProperty('socket_id')
})

test('an id before it that is too long is left out, so that the size holds', () => {
  expect(
    readStamp(JSON.parse(JSON.parse(stampedField('{}', { id: 'i', after: 'x'.repeat(41), at: 5 })) as string)).stamp,
  ).toEqual({
    id: 'i',
    after: undefined,
    at: 5,
  })
})

const circular: Record<string, unknown> = {}
circular['self'] = circular

for (const [what, data] of [
  ['undefined', undefined],
  ['a function', () => 1],
  ['a bigint', 1n],
  ['a circle', circular],
  ['an object with the reserved member', { _event: 1 }],
] as const) {
  test(`${what} is no data`, () => {
    expect(() => encodeData('channel-1', 'event-1', data)).toThrow(
      expect.objectContaining({ code: 'invalid_event', details: { channel: 'channel-1', event: 'event-1' } }),
    )
  })
}
