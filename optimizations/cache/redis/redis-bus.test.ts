import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from '@playwright/test'
import type { Redis } from 'ioredis'
import { unpack } from 'msgpackr'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { RedisBus } from './redis-bus.ts'
import { RedisKeys } from './redis-keys.ts'

/** A server that does not know the script at first, and to which another process shows it while the refusal is on its way. */
function forgetfulServer() {
  const announced: unknown[] = []
  let knowsScript = false
  const callBuffer = async (command: string, ...words: readonly unknown[]): Promise<unknown> => {
    const isRefused = command === 'EVALSHA' && !knowsScript
    knowsScript = true
    if (!isRefused) announced.push((unpack(words.at(-1) as Buffer) as unknown[])[1])
    await nextTurn()
    if (isRefused) throw new Error('NOSCRIPT No matching script')
    return [0, 0, []]
  }
  return { announced, data: { callBuffer } as unknown as Redis }
}

test('announcements arrive in their order, also at a server that does not know the script yet: an acknowledgement counts for all before it', async () => {
  const { announced, data } = forgetfulServer()
  const connect = (): Redis => data
  const bus = new RedisBus(
    { data, connect, keys: new RedisKeys('order', 0), clock: systemClock },
    { member: 'a', memoryLeaseMs: 1_000, markerTimeoutMs: 1_000, usesTracking: false },
  )
  const change = { from: 'a', keys: [], tags: [], everything: true }
  await Promise.all([1, 2].map((sequence) => bus.announce({ ...change, sequence })))
  expect(announced).toEqual([1, 2])
})
