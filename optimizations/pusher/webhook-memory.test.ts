import { expect, test } from '@playwright/test'

import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { WebhookMemory, type SharedWebhookMemory } from './webhook-memory.ts'

function createMemory(shared?: SharedWebhookMemory, options: { maxRemembered?: number } = {}) {
  const clock = new ManualClock(1_000)
  const counts = { applied: 0, repeated: 0, unshared: 0, outdated: 0 }
  return { clock, counts, memory: new WebhookMemory({ clock, counts, shared }, options) }
}

/** What several processes share. */
function createShared(): SharedWebhookMemory & { isAway: boolean; readonly asked: string[] } {
  const taken = new Set<string>()
  const asked: string[] = []
  return {
    isAway: false,
    asked,
    async claim(id) {
      asked.push(id)
      if (this.isAway) throw new Error('redis is away')
      if (taken.has(id)) return false
      taken.add(id)
      return true
    },
  }
}

test('what was claimed is not given again, until its time is over', async () => {
  const { clock, counts, memory } = createMemory()
  expect([await memory.claim('a', 1_000), await memory.claim('a', 1_000), await memory.claim('b', 1_000)]).toEqual([
    true,
    false,
    true,
  ])
  await clock.advance(999)
  expect(await memory.claim('a', 1_000)).toBe(false)
  await clock.advance(2)
  expect(await memory.claim('a', 1_000)).toBe(true)
  expect(counts).toEqual({ applied: 3, repeated: 2, unshared: 0, outdated: 0 })
})

test('of those who claim at the same moment one gets it, in one process and over several', async () => {
  const shared = createShared()
  const [one, other] = [createMemory(shared), createMemory(shared)]
  const claims = [one, one, other, other, one].map(({ memory }) => memory.claim('a', 1_000))
  expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1)
  expect(one.counts.applied + other.counts.applied).toBe(1)
  expect(one.counts.repeated + other.counts.repeated).toBe(4)
})

test('what this process remembers costs the shared memory no question', async () => {
  const shared = createShared()
  const { memory } = createMemory(shared)
  for (let times = 0; times < 5; times += 1) await memory.claim('a', 1_000)
  expect(shared.asked).toEqual(['a'])
})

test('while the shared memory is away, each process knows what it took itself, and counts that it knows no more', async () => {
  const shared = createShared()
  const [one, other] = [createMemory(shared), createMemory(shared)]
  shared.isAway = true
  expect([await one.memory.claim('a', 1_000), await one.memory.claim('a', 1_000)]).toEqual([true, false])
  expect(await other.memory.claim('a', 1_000)).toBe(true)
  expect([one.counts, other.counts]).toEqual([
    { applied: 1, repeated: 1, unshared: 1, outdated: 0 },
    { applied: 1, repeated: 0, unshared: 1, outdated: 0 },
  ])
})

test('no more is remembered than the bound, and the newest are', async () => {
  const { memory } = createMemory(undefined, { maxRemembered: 100 })
  for (let n = 0; n < 10_000; n += 1) await memory.claim(`id-${n}`, 1_000)
  const newest = await Promise.all(Array.from({ length: 100 }, (_, n) => memory.claim(`id-${9_900 + n}`, 1_000)))
  expect(newest).not.toContain(true)
  expect(await memory.claim('id-0', 1_000)).toBe(true)
})
