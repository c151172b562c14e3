import { expect, test } from '@playwright/test'
import { PusherError } from '#optimizations/pusher/errors.ts'
import { ServiceError } from './errors.ts'
import type { EventPublisher } from './event-publishing.ts'
import { createTriggerService } from './triggers.ts'

const teacher = { id: 'teacher', role: 'teacher' } as const
const announcement = { channel: 'private-class-1', event: 'announcement.made', data: {} }

function triggersWith(relay: EventPublisher['relay'], mayJoin = true) {
  return createTriggerService({ publisher: { relay }, channelAccess: { mayJoin: async () => mayJoin } })
}

const refusing =
  (code: 'queue_full' | 'event_too_large'): EventPublisher['relay'] =>
  async () => {
    throw new PusherError(code, 'not this one')
  }

test('an event goes out, not to its sender, and says whose it is whatever it claims', async () => {
  const seen: unknown[] = []
  const triggers = triggersWith(async (...args) => {
    seen.push(args)
    return { id: 'event-1', settled: Promise.reject(new Error('never looked at')).catch(() => undefined as never) }
  })
  const id = await triggers.trigger(teacher, { ...announcement, data: { from: 'the head' }, socketId: '1.2' })
  expect(id).toBe('event-1')
  expect(seen).toEqual([
    [announcement.channel, announcement.event, { from: 'teacher', data: { from: 'the head' } }, { socketId: '1.2' }],
  ])
})

test('when the publisher can take no more, the sender is told to come back, which is 429', async () => {
  const told = triggersWith(refusing('queue_full')).trigger(teacher, announcement)
  await expect(told).rejects.toMatchObject({ code: 'too_many_events' })
  await expect(told).rejects.toBeInstanceOf(ServiceError)
})

test('any other refusal is told as it is', async () => {
  const told = triggersWith(refusing('event_too_large')).trigger(teacher, announcement)
  await expect(told).rejects.toMatchObject({ code: 'event_too_large' })
})

for (const [what, event, mayJoin] of [
  ['a word of the server’s own', 'quiz.result', true],
  ['a word of another role', 'alert.fire', true],
  ['a channel that one may not join', 'announcement.made', false],
] as const) {
  test(`${what} is not sent`, async () => {
    const triggers = triggersWith(() => Promise.reject(new Error('was sent')), mayJoin)
    await expect(triggers.trigger(teacher, { ...announcement, event })).rejects.toMatchObject({ code: 'forbidden' })
  })
}
