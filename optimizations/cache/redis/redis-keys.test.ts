import { expect, test } from '@playwright/test'
import { cacheKey } from '../cache-key.ts'
import { keySlot } from './key-slot.ts'
import { RedisKeys } from './redis-keys.ts'

const keys = new RedisKeys('app', 3)
const key = cacheKey('user', 1)

test('an entry and its lease lie in one slot', () => {
  expect(keySlot(keys.entry(key))).toBe(keySlot(keys.lease(key)))
})

test('a reported name is read back as the key or the tag that it stands for, and others as nothing', () => {
  expect(keys.parse(keys.entry(key))).toEqual({ key })
  expect(keys.parse(keys.tag('class:1'))).toEqual({ tag: 'class:1' })
  expect(keys.parse('app2:e:{x}')).toBeUndefined()
  expect(keys.parse(keys.lease(key))).toBeUndefined()
})

test('neither the register nor a lease lies under a prefix that is tracked', () => {
  for (const name of [keys.register, keys.lease(key)]) {
    expect(name.startsWith(keys.entryPrefix) || name.startsWith(keys.tagPrefix)).toBe(false)
  }
})

test('databases of one server have channels of their own', () => {
  expect(new RedisKeys('app', 4).announcements).not.toBe(keys.announcements)
  expect(new RedisKeys('app', 4).inbox('m')).not.toBe(keys.inbox('m'))
})
