import { expect, test } from '@playwright/test'
import { TagVersions } from './tag-versions.ts'

test('a tag that changes faster than it can be read has no version: what carries it is never current', async () => {
  let fetches = 0
  const tags: TagVersions = new TagVersions({
    isCoherent: () => true,
    fetch: async (names) => {
      fetches += 1
      tags.forget(names)
      return names.map(() => fetches)
    },
  })
  const [cell] = await tags.resolve(['busy'])
  expect(cell).toEqual({ tag: 'busy', version: Number.NaN, isCurrent: false })
  expect(tags.known(['busy'])).toBeUndefined()
  expect(fetches).toBe(8)
})

test('a tag that stands still is asked for once, and again only when it has changed', async () => {
  let version = 1
  let fetches = 0
  const tags = new TagVersions({
    isCoherent: () => true,
    fetch: async (names) => {
      fetches += 1
      return names.map(() => version)
    },
  })
  const [first] = await tags.resolve(['calm'])
  expect((await tags.resolve(['calm']))[0]).toBe(first)
  expect(fetches).toBe(1)
  version = 2
  tags.forget(['calm'])
  expect(first?.isCurrent).toBe(false)
  expect((await tags.resolve(['calm']))[0]).toMatchObject({ version: 2, isCurrent: true })
})

test('what was asked for while nothing was heard ends with its tag as well, and counts as known only when it is heard of', async () => {
  let isCoherent = false
  const tags = new TagVersions({ isCoherent: () => isCoherent, fetch: async () => [1] })
  const [cell] = await tags.resolve(['t'])
  expect(tags.known(['t'])).toBeUndefined()
  isCoherent = true
  expect(cell?.isCurrent).toBe(true)
  tags.forget(['t'])
  expect(cell?.isCurrent).toBe(false)
})
