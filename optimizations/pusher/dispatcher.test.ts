import { expect, test } from '@playwright/test'

import { ScriptedTransport } from '#fixtures/doubles/pusher-scripted-transport.ts'
import { SteppingClock } from '#fixtures/doubles/stepping-clock.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { seededRandom } from '#optimizations/kernel/random.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { Dispatcher } from './dispatcher.ts'
import { PublisherStatistics } from './publisher-statistics.ts'
import { QueuedEvent } from './queued-event.ts'
import { RateLimiter } from './rate-limiter.ts'

const OPTIONS = {
  poolSize: 1,
  batchSize: 10,
  batchTimeoutMs: 5,
  // Longer than the breaker is open: what failed is not the next that is tried.
  retryBaseMs: 10_000,
  retryMaxMs: 10_000,
  giveUpAfterMs: 60_000,
  maxQueuedEvents: 100,
  maxQueuedBytes: 100_000,
  maxBackgroundEvents: 100,
  maxBackgroundBytes: 100_000,
  whenFull: 'refuse',
} as const

function startDispatcher(encrypt: () => string) {
  const clock = new SteppingClock(1_700_000_000_000)
  const tasks = new BackgroundTasks(() => undefined, clock)
  const random = seededRandom(1)
  const breaker = new CircuitBreaker({ clock, random }, { failureThreshold: 1, minOpenMs: 100, maxOpenMs: 100 })
  const limiter = new RateLimiter({ clock, tasks }, { callsPerSecond: 1_000, burst: 1_000 })
  const transport = new ScriptedTransport(clock, 1)
  const statistics = new PublisherStatistics()
  const dispatcher = new Dispatcher({ clock, random, tasks, transport, limiter, breaker, statistics, encrypt }, OPTIONS)
  const event = (id: number, channel: string): QueuedEvent =>
    new QueuedEvent({
      id: String(id),
      channel,
      event: 'e',
      json: '1',
      bytes: 10,
      socketId: undefined,
      priorityClass: 2,
      coalesceKey: undefined,
      publishedAt: clock.now(),
      acceptedAt: clock.monotonic(),
      deadlineAt: Infinity,
      isFromOutbox: false,
    })
  return { clock, transport, statistics, breaker, dispatcher, event }
}

const cannotEncrypt = (): never => {
  throw new Error('no key')
}

test('an event that cannot be written ends by itself: what shared its request is delivered, and its channel goes on', async () => {
  const { clock, transport, dispatcher, event } = startDispatcher(cannotEncrypt)
  const [first, poison, last] = [event(1, 'a'), event(2, 'private-encrypted-a'), event(3, 'b')] as const
  dispatcher.submit([first, poison, last])
  await clock.advance(50)
  expect(poison.end).toMatchObject({ outcome: 'dead_lettered', reason: 'cannot_encode', attempts: 0 })
  expect([first.end?.outcome, last.end?.outcome]).toEqual(['delivered', 'delivered'])
  for (let id = 4; id < 14; id += 1) {
    const next = event(id, 'private-encrypted-a')
    dispatcher.submit([next])
    await clock.advance(10)
    expect(next.end).toMatchObject({ outcome: 'dead_lettered' })
  }
  expect(transport.requests.flatMap(({ events }) => events)).toHaveLength(2)
  let isDrained = false
  void dispatcher.drain(1_000).then(() => (isDrained = true))
  await clock.advance(10)
  expect(isDrained).toBe(true)
})

test('an event that cannot be written does not keep the breaker from its next probe', async () => {
  const { clock, transport, breaker, dispatcher, event } = startDispatcher(cannotEncrypt)
  transport.script = () => ({ kind: 'unavailable', reason: 'http_503' })
  const waiting = event(1, 'a')
  dispatcher.submit([waiting])
  await clock.advance(10)
  expect(breaker.state).toBe('open')
  transport.script = () => undefined
  const poison = event(2, 'private-encrypted-a')
  dispatcher.submit([poison])
  await clock.advance(150)
  expect(poison.end).toMatchObject({ outcome: 'dead_lettered' })
  await clock.advance(10_000)
  expect(waiting.end).toMatchObject({ outcome: 'delivered' })
  expect(breaker.state).toBe('closed')
})
