import { expect, test } from '@playwright/test'
import type { EventOutbox, OutboxEvent } from '#optimizations/pusher/outbox.ts'
import { createDeferredOutbox } from './deferred-outbox.ts'

function recordingOutbox() {
  const seen: string[] = []
  const listeners = new Set<() => void>()
  const outbox: EventOutbox = {
    claim: async (limit) => (seen.push(`claim ${limit}`), []),
    acknowledge: async (ids) => void seen.push(`acknowledge ${ids.join()}`),
    release: async (ids, { delayMs, reason }) => void seen.push(`release ${ids.join()} ${delayMs} ${reason}`),
    deadLetter: async (ids, reason) => void seen.push(`dead letter ${ids.join()} ${reason}`),
    depth: async () => ({ waiting: 5, oldestAgeMs: 0, deadLettered: 0 }),
    onWake: (listener) => {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
  }
  return { seen, listeners, outbox }
}

test('everything that is asked of it waits for the outbox and then reaches it', async () => {
  const { promise, resolve } = Promise.withResolvers<EventOutbox>()
  const deferred = createDeferredOutbox(promise)
  const { seen, outbox } = recordingOutbox()
  const asked = [
    deferred.claim(7, 1_000),
    deferred.acknowledge(['1']),
    deferred.release(['2'], { delayMs: 10, reason: 'later', isAttempt: false }),
    deferred.deadLetter(['3'], 'never'),
  ]
  expect(seen).toEqual([])
  resolve(outbox)
  await Promise.all(asked)
  expect(seen).toEqual(['claim 7', 'acknowledge 1', 'release 2 10 later', 'dead letter 3 never'])
  expect((await deferred.depth()).waiting).toBe(5)
})

test('a listener hears the outbox from its coming until it is disposed of', async () => {
  const { listeners, outbox } = recordingOutbox()
  const deferred = createDeferredOutbox(Promise.resolve(outbox))
  const listening = deferred.onWake(() => undefined)
  await expect.poll(() => listeners.size).toBe(1)
  listening[Symbol.dispose]()
  expect(listeners.size).toBe(0)
})

test('a listener that is disposed of before the outbox comes never hears it', async () => {
  const { promise, resolve } = Promise.withResolvers<EventOutbox>()
  const { listeners, outbox } = recordingOutbox()
  const listening = createDeferredOutbox(promise).onWake(() => undefined)
  listening[Symbol.dispose]()
  resolve(outbox)
  await promise
  expect(listeners.size).toBe(0)
})

test('when the database does not start, whoever asks is told, and a listener is left in peace', async () => {
  const failed = Promise.reject(new Error('no PostgreSQL here'))
  const deferred = createDeferredOutbox(failed)
  using _listening = deferred.onWake(() => undefined)
  await expect(deferred.claim(1, 1)).rejects.toThrow('no PostgreSQL here')
})

test('after it is closed nothing is claimed, and what a claim under way brings is given back', async () => {
  const { seen, outbox } = recordingOutbox()
  const { promise: claimed, resolve: answer } = Promise.withResolvers<readonly OutboxEvent[]>()
  const slow = { ...outbox, claim: () => claimed }
  const deferred = createDeferredOutbox(Promise.resolve(slow))
  const claiming = deferred.claim(10, 1_000)
  // The claim has to be on its way before the outbox is closed.
  await Promise.resolve()
  deferred.close()
  answer([{ id: '7' } as OutboxEvent, { id: '8' } as OutboxEvent])
  expect(await claiming).toEqual([])
  expect(seen).toEqual(['release 7,8 0 stopped'])
  expect(await deferred.claim(10, 1_000)).toEqual([])
  expect(seen).toHaveLength(1)
})

test('a claim under way that brings nothing gives nothing back', async () => {
  const { seen, outbox } = recordingOutbox()
  const deferred = createDeferredOutbox(Promise.resolve(outbox))
  const claiming = deferred.claim(10, 1_000)
  await Promise.resolve()
  deferred.close()
  expect(await claiming).toEqual([])
  expect(seen).toEqual(['claim 10'])
})
