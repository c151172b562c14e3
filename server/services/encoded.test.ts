import { expect, test } from '@playwright/test'
import { encode, withMember } from './encoded.ts'

const lesson = { id: 'a', text: 'ünïcode "quoted" } ,' }

test('an encoded value reads back as it was', () => {
  expect(JSON.parse(encode(lesson).body.toString())).toEqual(lesson)
})

test('a member is added behind the others, and the shared part stays as it was', () => {
  const shared = encode(lesson)
  const before = shared.body.toString()
  const own = withMember(shared, 'progress', { percent: 5 })
  expect(JSON.parse(own.body.toString())).toEqual({ ...lesson, progress: { percent: 5 } })
  expect(shared.body.toString()).toBe(before)
})

test('the entity tag is strong and differs whenever the body does', () => {
  expect(encode(lesson).etag).toMatch(/^"[\w-]{27}"$/)
  expect(encode(lesson).etag).toBe(encode({ ...lesson }).etag)
  expect(encode(lesson).etag).not.toBe(encode({ ...lesson, id: 'b' }).etag)
  expect(withMember(encode(lesson), 'progress', 1).etag).not.toBe(withMember(encode(lesson), 'progress', 2).etag)
})
