import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { keepOutboxSmall } from './outbox-retention.ts'

test('dead letters are removed every hour until the database stops, and a missing outbox is no failure', async () => {
  const clock = new ManualClock()
  const failures: unknown[] = []
  const background = new BackgroundTasks((_, error) => failures.push(error), clock)
  const answers = [
    () => Promise.resolve(1),
    () => Promise.reject(Object.assign(new Error('no table'), { code: '42P01' })),
    () => Promise.reject(new Error('something else')),
  ]
  const asked: number[] = []
  const purge = async (retentionMs: number): Promise<number> => {
    asked.push(retentionMs)
    return (await answers[asked.length - 1]?.()) ?? 0
  }
  const retention = keepOutboxSmall({ clock, background }, { purge }, 5_000)
  await clock.advance(3 * 3_600_000)
  expect(asked).toEqual([5_000, 5_000, 5_000])
  expect(failures.map(String)).toEqual(['Error: something else'])
  retention[Symbol.dispose]()
  await clock.advance(3_600_000)
  expect(asked).toHaveLength(3)
})
