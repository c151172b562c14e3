import { expect, test } from '@playwright/test'
import type { EntityManager } from '#optimizations/database/database.ts'
import { runTransaction, type TransactionDeps } from './transaction.ts'

/** Records what happens in which order; `attempts` says how often the database runs the work before it commits. */
function recorder(options: { attempts?: number; commitFails?: boolean; outbox: boolean }) {
  const seen: string[] = []
  const em = {} as EntityManager
  const deps = {
    database: {
      async transaction<T>(work: (em: EntityManager) => Promise<T>): Promise<T> {
        for (let attempt = 1; ; attempt += 1) {
          const value = await work(em)
          if (options.commitFails === true) throw new Error('rolled back')
          if (attempt < (options.attempts ?? 1)) {
            seen.push('retry')
            continue
          }
          seen.push('commit')
          return value
        }
      },
      outbox: {
        append: async (_em: EntityManager, { event }: { event: string }) => {
          seen.push(`outbox ${event}`)
        },
      },
    },
    cache: {
      invalidateTags: async (tags: readonly string[]) => {
        seen.push(`invalidate ${tags.join(' ')}`)
        return { acknowledged: true, removed: 0 }
      },
    },
    ...(options.outbox
      ? {}
      : {
          publishAfterCommit: async (events: readonly { event: string }[]) => {
            seen.push(`publish ${events.map(({ event }) => event).join(' ')}`)
          },
        }),
  } as unknown as TransactionDeps
  return { seen, deps }
}

test('with an outbox the events are in the transaction and the tags come after the commit', async () => {
  const { seen, deps } = recorder({ outbox: true })
  const result = await runTransaction(deps, async (unit) => {
    unit.invalidate('lesson:1', 'class:2', 'lesson:1')
    await unit.publish('private-class-2', 'progress.updated', {})
    return 7
  })
  expect(result).toBe(7)
  expect(seen).toEqual(['outbox progress.updated', 'commit', 'invalidate lesson:1 class:2'])
})

test('without an outbox the events go out after the commit and after the tags', async () => {
  const { seen, deps } = recorder({ outbox: false })
  await runTransaction(deps, async (unit) => {
    await unit.publish('private-class-2', 'progress.updated', {})
    unit.invalidate('lesson:1')
  })
  expect(seen).toEqual(['commit', 'invalidate lesson:1', 'publish progress.updated'])
})

test('a rollback invalidates and publishes nothing', async () => {
  const { seen, deps } = recorder({ outbox: false, commitFails: true })
  const failed = runTransaction(deps, async (unit) => {
    unit.invalidate('lesson:1')
    await unit.publish('private-class-2', 'progress.updated', {})
  })
  await expect(failed).rejects.toThrow('rolled back')
  expect(seen).toEqual([])
})

test('what an attempt that is run again had asked for is not done twice', async () => {
  const { seen, deps } = recorder({ outbox: false, attempts: 3 })
  await runTransaction(deps, async (unit) => {
    unit.invalidate('lesson:1')
    await unit.publish('private-class-2', 'progress.updated', {})
  })
  expect(seen).toEqual(['retry', 'retry', 'commit', 'invalidate lesson:1', 'publish progress.updated'])
})
