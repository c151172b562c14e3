import { expect, test } from '@playwright/test'
import { YieldingQueue } from './yielding-queue.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('calls are made in their order, one in each turn of the event loop', async () => {
  const queue = new YieldingQueue()
  const called: string[] = []
  for (const name of ['a', 'b', 'c']) queue.add(() => called.push(name))
  expect(called).toEqual([])
  for (const expected of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
    await turn()
    expect(called).toEqual(expected)
  }
})

test('while others come, most turns of the event loop are theirs', async () => {
  const queue = new YieldingQueue()
  const called: number[] = []
  let turns = 0
  const CALLS = 20
  for (let call = 0; call < CALLS; call += 1) queue.add(() => called.push(call))
  while (called.length < CALLS) {
    queue.yieldToOthers()
    await turn()
    turns += 1
  }
  expect(turns).toBeGreaterThan(4 * CALLS)
})

test('a call that throws does not keep the others from being made', async () => {
  const queue = new YieldingQueue()
  const called: string[] = []
  const seen: unknown[] = []
  const onError = (error: unknown) => seen.push(error)
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', onError)
  try {
    queue.add(() => {
      throw new Error('broken')
    })
    queue.add(() => called.push('next'))
    await turn()
    await turn()
    await turn()
  } finally {
    process.off('uncaughtException', onError)
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
  expect(called).toEqual(['next'])
  expect(seen).toHaveLength(1)
})
