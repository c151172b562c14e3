import { expect, test } from '@playwright/test'
import { groupBySlot, keySlot } from './key-slot.ts'

test('the slot of a key is the one that Redis computes', () => {
  // From the reference of CLUSTER KEYSLOT, and the check value of CRC-16/XMODEM.
  expect(keySlot('somekey')).toBe(11_058)
  expect(keySlot('foo{hash_tag}')).toBe(2_515)
  expect(keySlot('bar{hash_tag}')).toBe(2_515)
  expect(keySlot('123456789')).toBe(0x31c3)
})

test('empty braces count as text', () => {
  expect(keySlot('foo{}{bar}')).not.toBe(keySlot('bar'))
  expect(keySlot('{user1000}.following')).toBe(keySlot('user1000'))
})

test('keys of one slot are asked for together', () => {
  expect(groupBySlot(['a{x}', 'b{y}', 'c{x}'])).toEqual([[0, 2], [1]])
})
