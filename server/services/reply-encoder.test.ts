import { expect, test } from '@playwright/test'
import { z } from 'zod'
import { createReplyEncoder } from './reply-encoder.ts'
import { SchemaMismatchError } from './build-by-schema.ts'

const replies = createReplyEncoder({ isStrict: false })
const strict = createReplyEncoder({ isStrict: true })
const Lesson = z.object({ id: z.string(), text: z.string() })
const lesson = { id: 'a', text: 'ünïcode "quoted" } ,' }
const Progress = z.object({ percent: z.number() })
const progress = (percent: number) => ({ name: 'progress', schema: Progress, value: { percent } }) as const

test('an encoded value reads back as it was', () => {
  expect(JSON.parse(strict.encode(Lesson, lesson).body.toString())).toEqual(lesson)
})

test('a member that the schema does not know is left out, at any depth', () => {
  const Shelf = z.object({ lessons: z.array(Lesson) })
  const { body } = replies.encode(Shelf, { secret: 's3cret', lessons: [{ ...lesson, secret: 's3cret' }] })
  expect(JSON.parse(body.toString())).toEqual({ lessons: [lesson] })
})

test('a member that the schema does not know is left out of an added member too', () => {
  const shared = replies.encode(Lesson, lesson)
  const member = { name: 'progress', schema: Progress, value: { percent: 5, secret: 's3cret' } } as const
  expect(JSON.parse(replies.withMember(shared, member).body.toString())).toEqual({
    ...lesson,
    progress: { percent: 5 },
  })
})

test('a strict encoder refuses a member that the schema does not know, and shows neither its name nor its value', () => {
  const encode = () => strict.encode(Lesson, { ...lesson, hidden: 's3cret' })
  expect(encode).toThrow(SchemaMismatchError)
  expect(encode).not.toThrow(/s3cret|hidden/)
})

test('a value that does not fit is refused by the path of its fault, without the value', () => {
  const encode = () => replies.encode(z.object({ lessons: z.array(Lesson) }), { lessons: [{ id: 'a', text: 4_711 }] })
  expect(encode).toThrow(/lessons\.0\.text \(invalid_type\)/)
  expect(encode).not.toThrow(/4711/)
})

test('a member is added behind the others, and the shared part stays as it was', () => {
  const shared = strict.encode(Lesson, lesson)
  const before = shared.body.toString()
  const own = strict.withMember(shared, progress(5))
  expect(JSON.parse(own.body.toString())).toEqual({ ...lesson, progress: { percent: 5 } })
  expect(shared.body.toString()).toBe(before)
})

test('the entity tag is strong and differs whenever the body does', () => {
  const { etag } = strict.encode(Lesson, lesson)
  expect(etag).toMatch(/^"[\w-]{27}"$/)
  expect(strict.encode(Lesson, { ...lesson }).etag).toBe(etag)
  expect(strict.encode(Lesson, { ...lesson, id: 'b' }).etag).not.toBe(etag)
  const shared = strict.encode(Lesson, lesson)
  expect(strict.withMember(shared, progress(1)).etag).not.toBe(strict.withMember(shared, progress(2)).etag)
})
