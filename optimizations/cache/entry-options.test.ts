import { expect, test } from '@playwright/test'
import { KEY_PREFIX, TTL_MS } from './cache-defaults.ts'
import { resolveEntryOptions } from './entry-options.ts'

test('the ladder of lifetimes and the prefixes are those of the specification', () => {
  expect(Object.values(TTL_MS)).toEqual([60_000, 300_000, 900_000, 3_600_000, 86_400_000])
  expect(Object.values(KEY_PREFIX)).toEqual(['user', 'dashboard', 'content', 'agent', 'api', 'query'])
})

test('without options an entry lives for five minutes, and the absence of a row for half of one', () => {
  expect(resolveEntryOptions({})).toEqual({
    ttlMs: 300_000,
    negativeTtlMs: 30_000,
    tags: [],
    staleMs: 0,
    softTimeoutMs: 0,
    loadTimeoutMs: 10_000,
    jitter: 0.1,
    earlyRefresh: 1,
  })
  expect(resolveEntryOptions({ ttlMs: 1_000 }).negativeTtlMs).toBe(1_000)
})

test('a lifetime of nothing, of less, or of for ever is refused instead of being read as something else', () => {
  for (const ttlMs of [0, -1, Number.NaN, Infinity]) {
    expect(() => resolveEntryOptions({ ttlMs })).toThrow(/ttlMs is between/)
  }
  expect(() => resolveEntryOptions({ staleMs: -1 })).toThrow(/staleMs is between/)
  expect(() => resolveEntryOptions({ jitter: 1.5 })).toThrow(/jitter is between/)
})

test('a tag that would not fit into an entry is refused, and so are too many', () => {
  expect(() => resolveEntryOptions({ tags: [''] })).toThrow(/A tag is 1 to 255 bytes/)
  expect(() => resolveEntryOptions({ tags: ['é'.repeat(128)] })).toThrow(/A tag is 1 to 255 bytes/)
  expect(() => resolveEntryOptions({ tags: Array.from({ length: 256 }, String) })).toThrow(/at most 255 tags/)
})
