import { setTimeout as pause } from 'node:timers/promises'
import { Migrator } from '@mikro-orm/migrations'
import type { Database } from '#optimizations/database/database.ts'
import { outboxMigration, outboxReplayMigration } from '#optimizations/database/outbox-migration.ts'
import type { ChannelReplay } from '#optimizations/database/outbox-replay.ts'
import { dropOutboxReplaySql, outboxTableSql } from '#optimizations/database/outbox-table.ts'
import { startDatabase } from '#optimizations/database/start-database.ts'
import { seededRandom, randomInteger } from '#optimizations/kernel/random.ts'
import { libraryEntities } from '#fixtures/data/library.ts'
import { expect, test } from '#fixtures/test.ts'

/** No lease is longer. */
const LEASE_MS = 600_000
const LONG_MS = 3_600_000
const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)

async function startWithOutbox(url: string): Promise<Database> {
  const database = await startDatabase({ url, entities: libraryEntities, pool: { size: 2 } })
  await database.orm.schema.execute(outboxTableSql)
  return database
}

const append = (database: Database, channel: string, data: unknown): Promise<void> =>
  database.transaction((em) => database.outbox.append(em, { channel, event: 'tested', data }))

/** Delivers everything that there is to be delivered. */
async function deliver({ outbox }: Database): Promise<void> {
  for (
    let claimed = await outbox.claim(100, LEASE_MS);
    claimed.length > 0;
    claimed = await outbox.claim(100, LEASE_MS)
  ) {
    await outbox.acknowledge(claimed.map(({ id }) => id))
  }
}

async function replay(
  { outbox }: Database,
  channel: string,
  { after, limit = 100 }: { readonly after: string | null; readonly limit?: number },
): Promise<ChannelReplay> {
  const [answer] = await outbox.replay.read([{ channel, after }], limit)
  if (answer === undefined) throw new Error('no answer')
  return answer
}

const dataOf = ({ events }: ChannelReplay): unknown[] => events.map(({ data }) => data)

for (const optimize of [true, false]) {
  test(`what came after a position is replayed in order and in pages, sent or not, of its channel alone, ${optimize ? 'optimised' : 'stock'}`, async ({
    postgres,
  }) => {
    await postgres.reset()
    await using database = await startDatabase({ url: postgres.url, entities: libraryEntities, optimize })
    await database.orm.schema.execute(outboxTableSql)
    expect(await replay(database, 'a', { after: null })).toEqual({
      channel: 'a',
      events: [],
      hasMore: false,
      isComplete: true,
      position: '0',
    })
    for (const n of counts(3)) await append(database, 'a', { n })
    await append(database, 'b', 'of another')
    await deliver(database)
    const { position: after } = await replay(database, 'a', { after: null })
    for (const data of [null, [1], 'text', { n: 3 }]) await append(database, 'a', data)
    await deliver(database)
    await append(database, 'a', 'not sent')
    const all = await replay(database, 'a', { after })
    expect(dataOf(all)).toEqual([null, [1], 'text', { n: 3 }, 'not sent'])
    expect(all).toMatchObject({ hasMore: false, isComplete: true, position: all.events.at(-1)?.id })
    expect(all.events[0]?.createdAt).toBeInstanceOf(Date)

    const pages: unknown[][] = []
    for (let at = after, hasMore = true; hasMore;) {
      const page = await replay(database, 'a', { after: at, limit: 2 })
      pages.push(dataOf(page))
      ;({ position: at, hasMore } = page)
    }
    expect(pages).toEqual([[null, [1]], ['text', { n: 3 }], ['not sent']])
    const both = await database.outbox.replay.read(
      [
        { channel: 'b', after: '0' },
        { channel: 'a', after: all.position },
      ],
      10,
    )
    expect(both.map(dataOf)).toEqual([['of another'], []])
  })
}

test('what was removed after its time is told as a gap to who had not seen it, and to nobody else', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await startWithOutbox(postgres.url)
  const { position: before } = await replay(database, 'a', { after: null })
  const quiet = await replay(database, 'quiet', { after: null })
  for (const n of counts(3)) await append(database, 'a', { secret: n })
  await deliver(database)
  const { position: middle } = await replay(database, 'a', { after: before, limit: 2 })
  const { position: end } = await replay(database, 'a', { after: null })
  expect(await database.outbox.purge({ deadLettersMs: LONG_MS, deliveredMs: LONG_MS })).toEqual({
    deadLetters: 0,
    delivered: 0,
  })
  expect(dataOf(await replay(database, 'a', { after: before }))).toHaveLength(3)
  expect(await database.outbox.purge({ deadLettersMs: LONG_MS, deliveredMs: 0 })).toMatchObject({ delivered: 2 })
  await append(database, 'a', 'later')

  for (const after of [before, middle]) {
    expect(await replay(database, 'a', { after })).toMatchObject({ isComplete: false, events: [{ data: 'later' }] })
  }
  expect(await replay(database, 'a', { after: end })).toMatchObject({ isComplete: true, events: [{ data: 'later' }] })
  expect(await replay(database, 'quiet', { after: quiet.position })).toMatchObject({ isComplete: true, events: [] })
  // Where the channel is now is known as ever, and nothing of what was removed is left.
  await deliver(database)
  await database.outbox.purge({ deadLettersMs: LONG_MS, deliveredMs: 0 })
  const { position: latest } = await replay(database, 'a', { after: null })
  expect(await replay(database, 'a', { after: latest })).toMatchObject({ isComplete: true, events: [] })
  expect(await database.query('select data::text as data from hotpath_outbox')).toEqual([{ data: 'null' }])
  expect(await database.outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
})

test('a dead letter is told as missing, and replayed once it is put back, to those who were past it too', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await startWithOutbox(postgres.url)
  const { position: before } = await replay(database, 'a', { after: null })
  await append(database, 'a', 'poison')
  const [poison] = await database.outbox.claim(1, LEASE_MS)
  await database.outbox.deadLetter([poison?.id ?? ''], 'http_413')
  await append(database, 'a', 'next')
  await deliver(database)
  const missing = await replay(database, 'a', { after: before })
  expect(missing).toMatchObject({ isComplete: false, events: [{ data: 'next' }] })
  expect(await replay(database, 'a', { after: missing.position })).toMatchObject({ isComplete: true, events: [] })

  await append(database, 'a', 'waits')
  expect(await database.outbox.deadLetters.requeue('all')).toBe(1)
  await append(database, 'a', 'last')
  expect(dataOf(await replay(database, 'a', { after: before }))).toEqual(['next', 'waits', 'poison', 'last'])
  const again = await replay(database, 'a', { after: missing.position })
  expect(again.events.map(({ id, data }) => [id === poison?.id, data])).toEqual([
    [false, 'waits'],
    [true, 'poison'],
    [false, 'last'],
  ])
  await deliver(database)
  expect(await replay(database, 'a', { after: missing.position })).toMatchObject({
    isComplete: true,
    events: again.events,
  })
})

test('who follows a channel by its positions alone misses nothing that commits late, whatever the order of the ids', async ({
  postgres,
  intensity,
  seed,
}) => {
  await postgres.reset()
  await using database = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 8 } })
  await database.orm.schema.execute(outboxTableSql)
  const random = seededRandom(seed)
  const total = Math.ceil(200 * intensity)
  const channels = ['a', 'b', 'c']
  const progress = { isDone: false }
  const seen: Record<string, number[]> = { a: [], b: [], c: [] }
  const follow = async (channel: string, from: string): Promise<void> => {
    let after = from
    for (let wasDone = false; !wasDone;) {
      wasDone = progress.isDone
      const page = await replay(database, channel, { after, limit: 5 })
      seen[channel]?.push(...(dataOf(page) as number[]))
      after = page.position
      if (page.hasMore) wasDone = false
    }
  }
  // What is committed before these answers is not missed, but not followed either.
  const positions = await Promise.all(channels.map((channel) => replay(database, channel, { after: null })))
  const following = positions.map(({ channel, position }) => follow(channel, position))
  await Promise.all(
    counts(total).map((n) =>
      database.transaction(async (em) => {
        // The id is taken long before what the others commit meanwhile.
        await database.outbox.append(em, { channel: channels[n % 3] ?? '', event: 'tested', data: n })
        await pause(randomInteger(random, 5))
        await em.execute('select 1')
      }),
    ),
  )
  progress.isDone = true
  await Promise.all(following)
  for (const [index, channel] of channels.entries()) {
    const { events } = await replay(database, channel, { after: '0', limit: total })
    expect(seen[channel]).toEqual(events.map(({ data }) => data))
    expect(seen[channel]?.toSorted((one, other) => one - other)).toEqual(counts(total).filter((n) => n % 3 === index))
  }
})

test('a table of before is refused by name until its migration has run, which goes back again too', async ({
  postgres,
}) => {
  await postgres.reset()
  const migrations = { snapshot: false, silent: true }
  const list = [outboxMigration, outboxReplayMigration]
  await using database = await startDatabase({
    url: postgres.url,
    entities: libraryEntities,
    orm: { extensions: [Migrator], migrations: { ...migrations, migrationsList: list } },
  })
  await database.orm.migrator.up()
  await database.outbox.requireTable()
  await database.orm.migrator.down()
  await expect(database.outbox.requireTable()).rejects.toMatchObject({
    code: 'outbox_missing',
    message: expect.stringContaining('outboxReplayMigration'),
  })
  await database.orm.migrator.up()
  await database.outbox.requireTable()
  await append(database, 'a', 1)
  await deliver(database)
  expect(dataOf(await replay(database, 'a', { after: '0' }))).toEqual([1])
  // What was delivered would be sent again by a server that does not know of it.
  await database.orm.schema.execute(dropOutboxReplaySql)
  expect(await database.query('select id from hotpath_outbox')).toEqual([])
})
