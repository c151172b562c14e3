import { setTimeout as pause } from 'node:timers/promises'
import { outboxTableSql } from '#optimizations/database/outbox-table.ts'
import { OutboxStore } from '#optimizations/database/outbox-store.ts'
import { startDatabase } from '#optimizations/database/start-database.ts'
import { libraryEntities } from '#fixtures/data/library.ts'
import { outboxContract } from '#fixtures/doubles/pusher-outbox.contract.ts'
import { expect, test } from '#fixtures/test.ts'

for (const optimize of [true, false]) {
  test.describe(`the outbox, ${optimize ? 'optimised' : 'stock'}`, () => {
    for (const { title, check } of outboxContract) {
      test(title, async ({ postgres }) => {
        await postgres.reset()
        await using database = await startDatabase({
          url: postgres.url,
          entities: libraryEntities,
          optimize,
          pool: { size: 2 },
        })
        await database.orm.schema.execute(outboxTableSql)
        await using second = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 2 } })
        const claimers = [database.outbox, second.outbox]
        let given = 0
        await check({
          append: (channel, data) =>
            database.transaction((em) => database.outbox.append(em, { channel, event: 'tested', data })),
          claimer: () => claimers[given++] as OutboxStore,
          // Leases and delays are kept by the server's clock, which no test can move.
          pass: (ms) => pause(ms),
        })
      })
    }
  })
}

test('an event of a transaction that rolls back is never there', async ({ postgres }) => {
  await postgres.reset()
  await using database = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 2 } })
  await database.orm.schema.execute(outboxTableSql)
  const failed = database.transaction(async (em) => {
    await database.outbox.append(em, { channel: 'a', event: 'tested', data: 1 })
    throw new Error('changed my mind')
  })
  await expect(failed).rejects.toThrow('changed my mind')
  expect(await database.outbox.claim(10, 1_000)).toEqual([])
  await expect(
    database.outbox.append(database.fork(), { channel: 'a', event: 'tested', data: 1 }),
  ).rejects.toMatchObject({ code: 'outbox_outside_transaction' })
})

test('leases and delays end although the clock of the database is set back by an hour', async ({ postgres }) => {
  await postgres.reset()
  await using database = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 2 } })
  await database.orm.schema.execute(outboxTableSql)
  for (const channel of ['leased', 'delayed']) {
    await database.transaction((em) => database.outbox.append(em, { channel, event: 'tested', data: channel }))
  }
  const [leased, delayed] = await database.outbox.claim(10, 30_000)
  await database.outbox.release([delayed?.id ?? ''], { delayMs: 30_000, reason: 'later', isAttempt: false })
  expect(await database.outbox.claim(10, 30_000)).toEqual([])
  // No test can move the clock of the server: what was written by it is moved instead.
  await database.query(
    "update hotpath_outbox set available_at = available_at + interval '1 hour', created_at = created_at + interval '1 hour'",
  )
  expect((await database.outbox.depth()).oldestAgeMs).toBe(0)
  expect((await database.outbox.claim(10, 30_000)).map(({ id }) => id)).toEqual([leased?.id, delayed?.id])
  expect(await database.outbox.claim(10, 30_000)).toEqual([])
  await expect(database.outbox.claim(10, 600_001)).rejects.toThrow('A lease of the outbox is at most 600000 ms')
})

test('events of one channel are claimed in the order of their commits, whatever the order of their beginnings', async ({
  postgres,
  intensity,
}) => {
  await postgres.reset()
  await using database = await startDatabase({ url: postgres.url, entities: libraryEntities })
  await database.orm.schema.execute(outboxTableSql)
  await database.query('create table commits (at bigint generated always as identity, channel text, n int)')
  const events = Math.ceil(400 * intensity)
  const claimed: Record<string, number[]> = {}
  const progress = { isDone: false }
  const drain = async (): Promise<void> => {
    // Two claimers at once: the lease of one must keep the other off the channel.
    while (!progress.isDone || (await database.outbox.depth()).waiting > 0) {
      const batch = await database.outbox.claim(7, 60_000)
      for (const { channel, data } of batch) (claimed[channel] ??= []).push(data as number)
      await database.outbox.acknowledge(batch.map(({ id }) => id))
    }
  }
  const drains = [drain(), drain()]
  await Promise.all(
    Array.from({ length: events }, (_, n) =>
      database.transaction(async (em) => {
        const channel = `channel-${n % 3}`
        await em.execute('select 1')
        await database.outbox.append(em, { channel, event: 'tested', data: n })
        // Under the channel's lock, which is held until the commit: the order of these is the order of the commits.
        await em.execute('insert into commits (channel, n) values (?, ?)', [channel, n])
      }),
    ),
  )
  progress.isDone = true
  await Promise.all(drains)
  for (const [channel, data] of Object.entries(claimed)) {
    const committed = await database.query<{ n: number }>('select n from commits where channel = $1 order by at', [
      channel,
    ])
    expect(data).toEqual(committed.map(({ n }) => n))
  }
  expect(Object.values(claimed).flat()).toHaveLength(events)
})

test('a store gives back only what is still its own, and dead letters go when their time has passed', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 2 } })
  await database.orm.schema.execute(outboxTableSql)
  expect(database.outbox).toBeInstanceOf(OutboxStore)
  await database.transaction((em) => database.outbox.append(em, { channel: 'a', event: 'tested', data: 1 }))
  const [mine] = await database.outbox.claim(1, 1)
  await using second = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 2 } })
  await expect.poll(async () => (await second.outbox.claim(1, 60_000)).length).toBe(1)
  const ids = [mine?.id ?? '']
  const released = { delayMs: 0, reason: 'too late', isAttempt: true }
  await database.outbox.release(ids, released)
  await database.outbox.deadLetter(ids, 'too late')
  expect(await database.outbox.depth()).toMatchObject({ waiting: 1, deadLettered: 0 })
  expect(await database.outbox.claim(1, 1_000)).toEqual([])
  await second.outbox.deadLetter(ids, 'broken')
  const keep = { deadLettersMs: 3_600_000, deliveredMs: 3_600_000 }
  expect(await database.outbox.purge(keep)).toEqual({ deadLetters: 0, delivered: 0 })
  expect(await database.outbox.purge({ ...keep, deadLettersMs: 0 })).toEqual({ deadLetters: 1, delivered: 0 })
  for (const nothing of [database.outbox.acknowledge([]), database.outbox.release([], released)]) await nothing
  await database.outbox.deadLetter([], '')
  expect(await database.outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
})

test('a dead letter that is put back goes before what waits on its channel, as if it had never been tried', async ({
  postgres,
}) => {
  await postgres.reset()
  await using database = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 2 } })
  await database.orm.schema.execute(outboxTableSql)
  const { outbox } = database
  const append = (data: number): Promise<void> =>
    database.transaction((em) => outbox.append(em, { channel: 'a', event: 'tested', data }))
  await append(1)
  const [first] = await outbox.claim(1, 60_000)
  const ids = [first?.id ?? '']
  await outbox.release(ids, { delayMs: 0, reason: 'http_500', isAttempt: true })
  await outbox.claim(1, 60_000)
  await outbox.deadLetter(ids, 'too_many_attempts')
  await append(2)
  expect(await outbox.deadLetters.list({ limit: 5 })).toMatchObject([
    { id: ids[0], channel: 'a', event: 'tested', reason: 'too_many_attempts' },
  ])
  let woken = 0
  using _listening = outbox.onWake(() => (woken += 1))
  // Whether it listens already is known once it has heard of something.
  await expect.poll(() => append(3).then(() => woken)).toBeGreaterThan(0)
  const before = woken
  expect(await outbox.deadLetters.requeue(['999999', ...ids])).toBe(1)
  await expect.poll(() => woken).toBeGreaterThan(before)
  expect(await outbox.deadLetters.list({ limit: 5 })).toEqual([])
  const claimed = await outbox.claim(2, 60_000)
  expect(claimed.map(({ data, attempts }) => [data, attempts])).toEqual([
    [1, 0],
    [2, 0],
  ])
  // What waits or is on its way is no dead letter.
  expect(await outbox.deadLetters.discard(ids[0] ?? '')).toBe(false)
  expect(await outbox.deadLetters.requeue('all')).toBe(0)
})
