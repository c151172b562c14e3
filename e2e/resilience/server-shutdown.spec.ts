import { setTimeout as sleep } from 'node:timers/promises'
import { reporters } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import { expect } from '#fixtures/test.ts'

const several = reporters(4)

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
          // Reset: the kernel had taken the connection, and the process had not. That it did not is told by the events.
          if (code === 'ECONNREFUSED' || code === 'ECONNRESET') tally.refused += 1
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
  for (const [at, { answered }] of tallies.entries()) {
    await expect.poll(() => listening[at]?.received.length, { timeout: 20_000 }).toBe(answered)
  }
  expect(server.output()).toContain('"outcome":"drained"')
  expect(server.output()).toContain('"abandonedEvents":0')
})
