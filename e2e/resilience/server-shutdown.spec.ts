import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import { expect } from '#fixtures/test.ts'

const several = reporters(4)

/**
 * How a client learns that its connection was not taken, or was idle when it was closed: no request on it was begun. That
 * this is so is told by the events, of which there would be more than answers.
 */
const NOT_TAKEN: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'])

async function waitingEvents(databaseUrl: string): Promise<number> {
  const database = new Client(databaseUrl)
  await database.connect()
  try {
    const { rows } = await database.query<{ n: number }>('select count(*)::int as n from hotpath_outbox')
    return rows[0]?.n ?? -1
  } finally {
    await database.end()
  }
}

interface Tally {
  answered: number
  refused: number
  broken: string[]
}

test('SIGTERM under load: every accepted request is answered, and the event of each write is delivered', async ({
  breakable,
}) => {
  test.setTimeout(60_000)
  await using server = await breakable.startServer({ DRAIN_GRACE_MS: '300' })
  // It delivers what the first leaves in the outbox, as the other processes of a deployment would.
  await using survivor = await breakable.startServer()
  const writers = await Promise.all(several.map(({ username }) => breakable.clientOf(server, username)))
  await using subscribers = new AsyncDisposableStack()
  const listening = await Promise.all(
    several.map(async (reporter) => subscribers.use(await breakable.subscribe(survivor, reporter))),
  )

  const tallies = several.map((): Tally => ({ answered: 0, refused: 0, broken: [] }))
  const over = new AbortController()
  const load = several.flatMap(({ lessonId }, at) =>
    Array.from({ length: 3 }, async () => {
      const tally = tallies[at] as Tally
      for (let timeSpentSec = 1; !over.signal.aborted; timeSpentSec += 1) {
        try {
          const reply = await writers[at]?.put(`/api/v1/lessons/${lessonId}/progress`, { percent: 5, timeSpentSec })
          if (reply?.status === 200) tally.answered += 1
          else tally.broken.push(`status ${reply?.status}`)
        } catch (error) {
          const { code } = error as { code?: string }
          if (NOT_TAKEN.has(String(code))) tally.refused += 1
          else tally.broken.push(String(code))
          await sleep(5)
        }
      }
    }),
  )
  await expect.poll(() => tallies.every(({ answered }) => answered > 20)).toBe(true)
  server.kill('SIGTERM')
  expect(await server.exited).toBe(0)
  over.abort()
  await Promise.all(load)

  expect(tallies.flatMap(({ broken }) => broken)).toEqual([])
  const counts = (): (number | undefined)[] => listening.map(({ received }) => received.length)
  const answered = tallies.map((tally) => tally.answered)
  // Once nothing waits any more, what is still to come is on the wire.
  await expect.poll(() => waitingEvents(breakable.databaseUrl), { timeout: 20_000 }).toBe(0)
  await expect.poll(counts).toEqual(answered)
  expect(server.output()).toContain('"outcome":"drained"')
  expect(server.output()).toContain('"abandonedEvents":0')
})
