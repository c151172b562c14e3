import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import type { OutboxPurge, OutboxRetention } from './outbox-store.ts'
import { keepOutboxSmall } from './outbox-retention.ts'

test('what the outbox keeps for a time is removed every minute until the database stops, and a missing outbox is no failure', async () => {
  const clock = new ManualClock()
  const failures: unknown[] = []
  const background = new BackgroundTasks((_, error) => failures.push(error), clock)
  const answers = [
    () => Promise.resolve({ deadLetters: 1, delivered: 2 }),
    () => Promise.reject(Object.assign(new Error('no table'), { code: '42P01' })),
    () => Promise.reject(new Error('something else')),
  ]
  const asked: OutboxRetention[] = []
  const retention = { deadLettersMs: 5_000, deliveredMs: 1_000 }
  const purge = async (given: OutboxRetention): Promise<OutboxPurge> => {
    asked.push(given)
    return (await answers[asked.length - 1]?.()) ?? { deadLetters: 0, delivered: 0 }
  }
  const keeping = keepOutboxSmall({ clock, background }, { purge }, retention)
  await clock.advance(3 * 60_000)
  expect(asked).toEqual([retention, retention, retention])
  expect(failures.map(String)).toEqual(['Error: something else'])
  keeping[Symbol.dispose]()
  await clock.advance(60_000)
  expect(asked).toHaveLength(3)
})
