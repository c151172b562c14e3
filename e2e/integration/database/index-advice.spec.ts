import { createPassThroughCache } from '#optimizations/cache/pass-through-cache.ts'
import type { Database } from '#optimizations/database/database.ts'
import { startDatabase } from '#optimizations/database/start-database.ts'
import { adviseIndexes } from '#optimizations/database/statistics/index-advice.ts'
import { entities } from '#server/entities/entities.ts'
import { createServices, type ServicesDeps } from '#server/services/services.ts'
import { BENCHMARK_SCHOOL } from '#fixtures/data/school.ts'
import { prepareSeededDatabase } from '#fixtures/data/seed.ts'
import { expect, test } from '#fixtures/test.ts'

/** Every statement that the server registers. Its services are made for that alone, with nothing behind them. */
function registeredStatements(database: Database): string[] {
  const texts: string[] = []
  const statements = { ...database.statements, register: (_: string, sql: string) => void texts.push(sql) }
  const parts = { cache: createPassThroughCache(), database: { ...database, statements } }
  const deps = { optimizations: parts, pusherApp: { appId: '1', key: 'key', secret: 'secret' }, leaderboardStore: null }
  createServices({ ...deps, onError: () => undefined } as unknown as ServicesDeps)
  return texts
}

test('the server’s own statements lack no index on the school of the benchmarks, and one taken away is asked for', async ({
  postgres,
}) => {
  test.setTimeout(120_000)
  await postgres.reset()
  await prepareSeededDatabase(postgres.url, BENCHMARK_SCHOOL)
  await using database = await startDatabase({ url: postgres.url, entities, pool: { size: 2 } })
  const statements = registeredStatements(database)
  expect(statements.length).toBeGreaterThan(20)
  expect(await adviseIndexes(database, { statements })).toEqual([])
  await database.query('drop index enrollments_student_id_status_index')
  const [advice, ...others] = await adviseIndexes(database, { statements })
  expect(others).toEqual([])
  expect(advice?.sql).toBe('create index on "enrollments" ("student_id", "status")')
})
