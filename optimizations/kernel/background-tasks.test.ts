import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from '@playwright/test'
import { BackgroundTasks } from './background-tasks.ts'
import { systemClock } from './clock.ts'

test('a task that fails is counted, reported with its reason, and stops no other', async () => {
  const faults: (readonly [string, unknown])[] = []
  const tasks = new BackgroundTasks((reason, error) => void faults.push([reason, error]))
  const fault = new Error('no')
  let done = 0
  tasks.run('sweep', () => Promise.reject(fault))
  tasks.run('sweep', async () => void (done += 1))
  expect(tasks.running).toBe(2)
  await tasks.idle()
  expect({ failed: tasks.failed, running: tasks.running, done }).toEqual({ failed: 1, running: 0, done: 1 })
  expect(faults).toEqual([['sweep', fault]])
})

test('what a task starts is waited for too', async () => {
  const tasks = new BackgroundTasks(() => undefined)
  const seen: string[] = []
  tasks.run('outer', async () => {
    await Promise.resolve()
    tasks.run('inner', async () => {
      await Promise.resolve()
      seen.push('inner')
    })
    seen.push('outer')
  })
  await tasks.idle()
  expect(seen).toEqual(['outer', 'inner'])
})

test('a drain ends with the last task', async () => {
  const tasks = new BackgroundTasks(() => undefined, {
    ...systemClock,
    sleep: () => Promise.withResolvers<void>().promise,
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  tasks.run('slow', () => promise)
  const left = tasks.drain(500)
  resolve()
  expect(await left).toBe(0)
})

test('a drain ends at its deadline with the number of tasks that still run', async () => {
  const asked: number[] = []
  const deadline = Promise.withResolvers<void>()
  const sleep = (ms: number): Promise<void> => {
    asked.push(ms)
    return deadline.promise
  }
  const tasks = new BackgroundTasks(() => undefined, { ...systemClock, sleep })
  const stuck = Promise.withResolvers<void>()
  tasks.run('stuck', () => stuck.promise)
  tasks.run('quick', async () => undefined)
  let left: number | undefined
  const drained = tasks.drain(500).then((count) => (left = count))
  await new Promise(setImmediate)
  expect({ left, asked, running: tasks.running }).toEqual({ left: undefined, asked: [500], running: 1 })
  deadline.resolve()
  expect(await drained).toBe(1)
  stuck.resolve()
})

test('detached work belongs to who made its owner, and not to the request that asked for it', async () => {
  const request = new AsyncLocalStorage<string>()
  const tasks = request.run('server', () => new BackgroundTasks(() => undefined))
  let seen: string | undefined
  request.run('request', () => tasks.run('note', async () => void (seen = request.getStore())))
  await tasks.idle()
  expect(seen).toBe('server')
})
