import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { OutboxStore } from './outbox-store.ts'
import { sqlStateOf } from './errors.ts'

const PERIOD_MS = 3_600_000
const NO_SUCH_TABLE = '42P01'

/** Every hour removes the dead letters whose time is over. An application without an outbox has none to remove. */
export function keepOutboxSmall(
  { clock, background }: { readonly clock: Clock; readonly background: BackgroundTasks },
  outbox: Pick<OutboxStore, 'purge'>,
  retentionMs: number,
): Disposable {
  let next: Disposable
  const plan = (): void => {
    next = clock.schedule(PERIOD_MS, () => {
      background.run('database.outbox', async () => {
        await outbox.purge(retentionMs).catch((error: unknown) => {
          if (sqlStateOf(error) !== NO_SUCH_TABLE) throw error
        })
      })
      plan()
    })
  }
  plan()
  return { [Symbol.dispose]: () => next[Symbol.dispose]() }
}
