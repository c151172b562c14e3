import { expect, test } from '@playwright/test'
import { loadParts } from './parts.ts'

const quiet = { deadlineMs: 5_000, onError: () => undefined }

test('parts that succeed are complete, each under its name', async () => {
  const { parts, isComplete } = await loadParts({ a: async () => 0, b: async () => ['x'] }, quiet)
  expect(isComplete).toBe(true)
  expect(parts).toEqual({ a: { status: 'ok', data: 0 }, b: { status: 'ok', data: ['x'] } })
})

test('a part that fails is flagged, is not zero, and spoils no other; why it failed is reported and not shown', async () => {
  const reasons: string[] = []
  const { parts, isComplete } = await loadParts(
    { good: async () => 1, bad: () => Promise.reject(new Error('relation "secret" does not exist')) },
    { deadlineMs: 5_000, onError: (reason) => reasons.push(reason) },
  )
  expect(isComplete).toBe(false)
  expect(parts).toEqual({ good: { status: 'ok', data: 1 }, bad: { status: 'unavailable', reason: 'failed' } })
  expect(reasons).toEqual(['part bad is missing: relation "secret" does not exist'])
})

test('a part that never ends is late at the deadline, whether or not it heeds the signal', async () => {
  const { parts } = await loadParts(
    {
      deaf: () => new Promise<number>(() => {}),
      heeding: (signal) =>
        new Promise<number>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
      quick: async () => 1,
    },
    { ...quiet, deadlineMs: 20 },
  )
  const late = { status: 'unavailable', reason: 'late' }
  expect(parts).toEqual({ deaf: late, heeding: late, quick: { status: 'ok', data: 1 } })
})

test('all parts are begun before the first one ends', async () => {
  let begun = 0
  const { promise: all, resolve } = Promise.withResolvers<void>()
  const load = async (): Promise<number> => {
    begun += 1
    if (begun === 3) resolve()
    await all
    return begun
  }
  expect((await loadParts({ a: load, b: load, c: load }, quiet)).isComplete).toBe(true)
})
