import { expect, test } from '#fixtures/test.ts'
import { startOptimizations } from '#optimizations/manager/start-optimizations.ts'
import { entities } from '#server/entities/entities.ts'

const TITLES = 'select title from lessons order by id limit 3'
const RENAME = "update lessons set title = title || '.' where id = (select id from lessons order by id limit 1)"

test('query results in the cache are shared by processes, and end with a write through either of them', async ({
  seededDatabase,
  redis,
  pusher,
}) => {
  const { appId, key, secret, host, port, useTls } = pusher
  const start = () =>
    startOptimizations(
      {
        cache: { url: redis.url, namespace: 'query-results' },
        database: { url: seededDatabase.url, entities, pool: { size: 3 } },
        pusher: { app: { appId, key, secret, host, port, useTls } },
        optimize: { cache: true, database: true, pusher: true },
        queryResults: 'cache',
      },
      { onError: () => undefined },
    )
  await using one = await start()
  await using other = await start()
  const read = ({ database }: typeof one) => database.query<{ title: string }>(TITLES, [], { cache: { ttlMs: 60_000 } })
  const hits = ({ database }: typeof one) => database.stats().queryPerformance.cacheHits
  try {
    const first = await read(one)
    // The other process has never asked PostgreSQL this.
    await expect
      .poll(async () => {
        expect(await read(other)).toEqual(first)
        return hits(other)
      })
      .toBeGreaterThan(0)
    for (const writer of [one, other]) {
      const before = await read(one)
      await writer.database.query(RENAME)
      const expected = [{ title: `${before[0]?.title}.` }, ...before.slice(1)]
      expect(await read(writer)).toEqual(expected)
      await expect.poll(() => read(one)).toEqual(expected)
      await expect.poll(() => read(other)).toEqual(expected)
    }
  } finally {
    await seededDatabase.reset()
  }
})
