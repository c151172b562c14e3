import { expect, test } from '@playwright/test'
import type { Request } from 'express'
import { z } from 'zod'
import { HttpError } from './problem.ts'
import { parseQuery } from './validate.ts'

function refusalOf(schema: z.ZodType, query: unknown): HttpError {
  try {
    parseQuery(schema, { url: '/', query } as Request)
  } catch (error) {
    if (error instanceof HttpError) return error
    throw error
  }
  throw new Error('was not refused')
}

test('a refusal names the faults that there are, each with its path', () => {
  const { status, message, errors } = refusalOf(z.strictObject({ a: z.string(), b: z.string() }), { a: 1, b: 2 })
  expect([status, errors?.map(({ path }) => path)]).toEqual([400, ['a', 'b']])
  expect(message).toMatch(/^The query is invalid: a: /)
})

test('a refusal of ten thousand faults, or of one about ten thousand members, is short', () => {
  const many = refusalOf(
    z.array(z.string()),
    Array.from({ length: 10_000 }, (_, at) => at),
  )
  expect(many.errors).toHaveLength(20)
  const unknown = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`member${at}`, 0]))
  const long = refusalOf(z.strictObject({}), unknown)
  expect(JSON.stringify([long.message, long.errors]).length).toBeLessThan(1_000)
  const deep = refusalOf(z.record(z.string(), z.string()), { ['x'.repeat(50_000)]: 1 })
  expect(JSON.stringify([deep.message, deep.errors]).length).toBeLessThan(1_000)
})
