import { expect, test } from '@playwright/test'
import * as fc from 'fast-check'
import { decodeEntry, encodeEntry, STAMP_BYTES, stampOf, stampText, type EntryHeader } from './envelope.ts'

const header: fc.Arbitrary<EntryHeader> = fc
  .record({
    stamp: fc.uint8Array({ minLength: STAMP_BYTES, maxLength: STAMP_BYTES }).map((bytes) => Buffer.from(bytes)),
    freshUntil: fc.double({ noNaN: true }),
    staleUntil: fc.double({ noNaN: true }),
    loadMs: fc.float({ noNaN: true }),
    earlyRefresh: fc.float({ noNaN: true }),
    tagged: fc.array(fc.tuple(fc.string({ minLength: 1, maxLength: 60 }), fc.nat()), { maxLength: 5 }),
  })
  .map(({ tagged, ...rest }) => ({
    ...rest,
    tags: tagged.map(([tag]) => tag),
    versions: tagged.map(([, version]) => version),
  }))
const body = fc.record({ bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)), encoding: fc.nat({ max: 3 }) })

test('what is encoded is decoded, to the last field', () => {
  fc.assert(
    fc.property(header, body, (fields, content) => {
      const bytes = encodeEntry(fields, content)
      const decoded = decodeEntry(bytes)
      const { stamp, ...rest } = fields
      expect(decoded).toMatchObject(rest)
      expect(decoded?.body.encoding).toBe(content.encoding)
      expect(bytes.subarray(decoded?.body.start, decoded?.body.end)).toEqual(content.bytes)
      expect(stampOf(bytes)).toEqual(stamp)
      expect(Buffer.from(stampText(bytes), 'latin1')).toEqual(stamp)
    }),
  )
})

test('an entry of which any one bit has changed is no entry', () => {
  fc.assert(
    fc.property(header, body, fc.nat(), (fields, content, position) => {
      const bytes = encodeEntry(fields, content)
      const bit = position % (bytes.length * 8)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(decodeEntry(bytes)).toBeUndefined()
    }),
  )
})

test('an entry of which the end is missing is no entry', () => {
  fc.assert(
    fc.property(header, body, fc.double({ min: 0, max: 0.999, noNaN: true }), (fields, content, share) => {
      const bytes = encodeEntry(fields, content)
      expect(decodeEntry(bytes.subarray(0, Math.floor(bytes.length * share)))).toBeUndefined()
    }),
  )
})

test('bytes of somebody else are no entry', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expect(decodeEntry(Buffer.from(bytes))).toBeUndefined()),
  )
  expect(decodeEntry(Buffer.from('{"json":true}'))).toBeUndefined()
})
