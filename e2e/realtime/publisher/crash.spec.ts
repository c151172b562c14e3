import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'

import { expect, test } from '#fixtures/test.ts'
import { libraryEntities } from '#fixtures/data/library.ts'
import { connectPusherListener } from '#fixtures/doubles/pusher-listener.ts'
import type { RelayTask } from '#fixtures/doubles/pusher-relay.process.ts'
import type { Database } from '#optimizations/database/database.ts'
import { outboxTableSql } from '#optimizations/database/outbox-table.ts'
import { startDatabase } from '#optimizations/database/start-database.ts'
import { AppError } from '#optimizations/kernel/errors.ts'
import type { PusherApp } from '#optimizations/pusher/pusher-app.ts'
import { randomInteger, seededRandom } from '#optimizations/kernel/random.ts'

const RELAY = new URL('../../../fixtures/doubles/pusher-relay.process.ts', import.meta.url)
const CHANNELS = 20
const LEASE_MS = 1_000

const counts = (length: number): number[] => Array.from({ length }, (_, n) => n)

interface LeasedDatabase {
  readonly url: string
  reset(): Promise<unknown>
}

/** A fresh database with an empty outbox. */
async function startOutbox(postgres: LeasedDatabase): Promise<Database> {
  await postgres.reset()
  const database = await startDatabase({ url: postgres.url, entities: libraryEntities, pool: { size: 2 } })
  await database.orm.schema.execute(outboxTableSql)
  return database
}

function relayTask({ url }: Pick<LeasedDatabase, 'url'>, app: PusherApp, maxOutstanding: number): RelayTask {
  const options = { callsPerSecond: 1_000, burst: 50, leaseMs: LEASE_MS, maxOutstanding, pollMs: 100 }
  return { databaseUrl: url, publisher: { app, ...options } }
}

async function startRelay(task: RelayTask): Promise<ChildProcess> {
  const child = fork(RELAY, { stdio: 'inherit' })
  child.send(task)
  const ended = once(child, 'close').then(() => Promise.reject(new AppError('relay_ended', 'The relay did not start')))
  await Promise.race([once(child, 'message'), ended])
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

test('a relay that is killed at random moments loses no event, repeats few, and keeps the order', async ({
  postgres,
  pusher,
  intensity,
  seed,
}) => {
  const kills = Math.max(3, Math.round(10 * intensity))
  const perRound = 300
  test.setTimeout(60_000 + kills * 20_000)
  const maxOutstanding = 100
  const task = relayTask(postgres, pusher, maxOutstanding)
  await using database = await startOutbox(postgres)
  await using listener = await connectPusherListener({ pusher })
  const channels = counts(CHANNELS).map((n) => `crash-${n}`)
  await listener.subscribe(...channels)

  const random = seededRandom(seed)
  let appended = 0
  const append = async (): Promise<void> => {
    await database.transaction(async (em) => {
      const n = appended
      await database.outbox.append(em, { channel: `crash-${n % CHANNELS}`, event: 'counted', data: n })
      appended += 1
    })
  }

  for (const round of counts(kills)) {
    const relay = await startRelay(task)
    const before = listener.counts.arrivals
    const midway = 1 + randomInteger(random, perRound / 2)
    const appending = (async () => {
      for (const _event of counts(perRound)) await append()
    })()
    // Not before it works, and then at any moment.
    await expect.poll(() => listener.counts.arrivals - before, { intervals: [1] }).toBeGreaterThanOrEqual(midway)
    await pause(randomInteger(random, 20))
    await kill(relay)
    await appending
    expect(listener.heard.length, `kill ${round}`).toBeLessThanOrEqual(appended)
  }
  const last = await startRelay(task)
  await expect.poll(() => listener.heard.length, { timeout: 20_000 }).toBe(appended)
  await expect.poll(async () => (await database.outbox.depth()).waiting).toBe(0)
  await kill(last)

  for (const [index, channel] of channels.entries()) {
    expect(listener.heardOn(channel)).toEqual(counts(appended).filter((n) => n % CHANNELS === index))
  }
  const duplicates = listener.counts.arrivals - appended
  expect(duplicates).toBeLessThanOrEqual(kills * maxOutstanding)
  expect(await database.outbox.depth()).toMatchObject({ waiting: 0, deadLettered: 0 })
  test.info().annotations.push({
    type: 'crash',
    description: `${kills} kill -9, ${appended} events, 0 lost, ${duplicates} duplicates dropped, in order`,
  })
})

/** No test can move the clock of the server: what was written by it is moved the other way. */
const moveClock = (database: Database, hours: number): Promise<unknown> =>
  database.query(
    `update hotpath_outbox set created_at = created_at - $1 * interval '1 hour',
       available_at = available_at - $1 * interval '1 hour' where delivered_at is null and dead_at is null`,
    [hours],
  )

test('two relays on one outbox, killed by turns, with poison on every channel and a clock that jumps by an hour: all is heard in order', async ({
  postgres,
  pusher,
  intensity,
  seed,
}) => {
  const rounds = Math.max(4, Math.round(12 * intensity))
  const perRound = 200
  test.setTimeout(90_000 + rounds * 20_000)
  const task = relayTask(postgres, pusher, 50)
  await using database = await startOutbox(postgres)
  await using listener = await connectPusherListener({ pusher })
  const channels = counts(CHANNELS).map((n) => `turns-${n}`)
  await listener.subscribe(...channels)
  const random = seededRandom(seed)
  const expected = new Map(channels.map((channel): [string, number[]] => [channel, []]))
  let poison = 0
  let n = 0
  const append = async (): Promise<void> => {
    const channel = channels[n % CHANNELS] ?? ''
    // The first one of each channel, and some later ones: more than Pusher takes.
    const isPoison = n < CHANNELS || random() < 0.02
    const data = isPoison ? 'x'.repeat(11_000) : n
    await database.transaction((em) => database.outbox.append(em, { channel, event: 'counted', data }))
    if (isPoison) poison += 1
    else expected.get(channel)?.push(n)
    n += 1
  }

  const relays = [await startRelay(task), await startRelay(task)]
  for (const round of counts(rounds)) {
    const before = listener.counts.arrivals
    const appending = (async () => {
      for (const _event of counts(perRound)) await append()
    })()
    await expect.poll(() => listener.counts.arrivals - before, { intervals: [1] }).toBeGreaterThanOrEqual(20)
    await kill(relays[round % 2] as ChildProcess)
    // What the dead one had claimed is leased until then; what the other one has is under way.
    await moveClock(database, round % 2 === 0 ? 1 : -1)
    relays[round % 2] = await startRelay(task)
    await appending
  }
  const total = [...expected.values()].flat().length
  await expect.poll(() => listener.heard.length, { timeout: 30_000 }).toBe(total)
  await expect.poll(() => database.outbox.depth()).toMatchObject({ waiting: 0, deadLettered: poison })
  for (const relay of relays) await kill(relay)
  expect(Object.fromEntries(channels.map((channel) => [channel, listener.heardOn(channel)]))).toEqual(
    Object.fromEntries(expected),
  )
  test.info().annotations.push({
    type: 'turns',
    description: `${rounds} kill -9, ${rounds} jumps of the clock, ${total} events and ${poison} poisonous ones: 0 lost, ${listener.counts.arrivals - total} duplicates dropped, in order`,
  })
})
