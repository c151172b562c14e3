import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { CurrentRequest, type RequestScope } from './current-request.ts'

test('everything that a request does, however deep and late, knows it, and no other', async () => {
  const requests = new CurrentRequest()
  const deep = async (): Promise<string | undefined> => {
    await new Promise((resolve) => setImmediate(resolve))
    return requests.scope?.requestId
  }
  const ids = ['one', 'two', 'three']
  expect(await Promise.all(ids.map((requestId) => requests.run({ requestId }, deep)))).toEqual(ids)
  expect(requests.scope).toBeUndefined()
})

test('the database is told who asks, and nothing of how time is taken', () => {
  const requests = new CurrentRequest()
  const timer = { enter: () => undefined, leave: () => undefined }
  const { signal } = new AbortController()
  requests.run({ requestId: 'one', signal, deadlineAt: 7, timer }, () => {
    expect(requests.asker).toEqual({ requestId: 'one', signal, deadlineAt: 7 })
  })
  expect(requests.asker).toEqual({})
})

test('detached work belongs to no request, whoever started it', async () => {
  const requests = new CurrentRequest()
  const tasks = new BackgroundTasks(() => undefined)
  const seen: (RequestScope | undefined)[] = []
  requests.run({ requestId: 'one' }, () => {
    tasks.run('test', async () => {
      seen.push(requests.scope)
      await Promise.resolve()
      seen.push(requests.scope)
    })
  })
  await tasks.idle()
  expect(seen).toEqual([undefined, undefined])
})
