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

test('while others come, hundreds of turns go between two calls', async () => {
  const queue = new YieldingQueue()
  const turnsAt: number[] = []
  let turns = 0
  for (let call = 0; call < 5; call += 1) queue.add(() => turnsAt.push(turns))
  while (turnsAt.length < 5) {
    queue.yieldToOthers()
    await turn()
    turns += 1
  }
  const between = turnsAt.slice(1).map((at, index) => at - (turnsAt[index] ?? 0))
  // The first was on its way before anybody came.
  expect(Math.min(...between)).toBeGreaterThan(10)
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
