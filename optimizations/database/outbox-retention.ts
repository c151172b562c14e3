import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { OutboxRetention, OutboxStore } from './outbox-store.ts'
import { sqlStateOf } from './errors.ts'

const PERIOD_MS = 60_000
/** No such table, and no such column: a table of before, which nobody uses that has not been migrated. */
const NOTHING_TO_PURGE = new Set(['42P01', '42703'])

/** Every minute removes what was delivered, and the dead letters, whose time is over. An application without an outbox has none to remove. */
export function keepOutboxSmall(
  { clock, background }: { readonly clock: Clock; readonly background: BackgroundTasks },
  outbox: Pick<OutboxStore, 'purge'>,
  retention: OutboxRetention,
): Disposable {
  let next: Disposable
  const plan = (): void => {
    next = clock.schedule(PERIOD_MS, () => {
      background.run('database.outbox', async () => {
        await outbox.purge(retention).catch((error: unknown) => {
          if (!NOTHING_TO_PURGE.has(sqlStateOf(error) ?? '')) throw error
        })
      })
      plan()
    })
  }
  plan()
  return { [Symbol.dispose]: () => next[Symbol.dispose]() }
}
