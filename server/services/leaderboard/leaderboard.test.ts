import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import type { Database, Row } from '#optimizations/database/database.ts'
import type { LeaderboardStore } from './leaderboard-store.ts'
import { createLeaderboard } from './leaderboard.ts'

const CLASS = '00000000-0000-4000-8000-00000000000c'
const viewer = { id: '00000000-0000-4000-8000-000000000001', role: 'admin' } as const

function setUp({ store, query }: { store: Partial<LeaderboardStore>; query: () => Promise<Row[]> }) {
  return createLeaderboard({
    database: { statements: { register: () => undefined, execute: query } } as unknown as Database,
    publisher: { publish: () => Promise.reject(new Error('nothing is published here')) },
    access: { maySee: async () => true, requireManager: async () => undefined, visibleClasses: async () => 'all' },
    clock: systemClock,
    tasks: new BackgroundTasks(() => undefined, systemClock),
    store: {
      read: async () => ({ version: '0' }),
      fill: async () => undefined,
      ...store,
    } as LeaderboardStore,
  })
}

test('a change of members is over when all rankings of the class are forgotten, and not before', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const forgotten: string[] = []
  const forget = async (board: string): Promise<void> => {
    await answered
    forgotten.push(board)
  }
  const leaderboard = setUp({ store: { forget }, query: async () => [] })
  let isOver = false
  const changed = leaderboard.membersChanged(CLASS).then(() => (isOver = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(isOver).toBe(false)
  answer()
  await changed
  expect(forgotten).toHaveLength(3)
})

test('a store that cannot be reached holds up no change of members', async () => {
  const forget = () => Promise.reject(new Error('away'))
  await expect(setUp({ store: { forget }, query: async () => [] }).membersChanged(CLASS)).resolves.toBeUndefined()
})

test('who waits for a load that ends with another request asks for themselves', async () => {
  const { promise: gone, reject: leave } = Promise.withResolvers<Row[]>()
  const queries = [gone, Promise.resolve<Row[]>([{ userId: viewer.id, displayName: 'Ada', score: 3 }])]
  const leaderboard = setUp({ store: {}, query: () => queries.shift() ?? Promise.resolve([]) })
  const board = { classId: CLASS, period: 'all' } as const
  const [first, second] = [leaderboard.view(viewer, board), leaderboard.view(viewer, board)]
  leave(new Error('the client has gone'))
  await expect(first).rejects.toThrow('gone')
  expect((await second).standings).toMatchObject([{ userId: viewer.id, score: 3, rank: 1 }])
})
