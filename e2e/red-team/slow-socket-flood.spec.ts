import { judgeVictims } from '#fixtures/floods/judge-victims.ts'
import type { SlowKind, SlowSockets } from '#fixtures/floods/slow-sockets.process.ts'
import { startFlood } from '#fixtures/floods/start-flood.ts'
import { expect, test } from '#fixtures/test.ts'

const FLOOD = new URL('../../fixtures/floods/slow-sockets.process.ts', import.meta.url)
const IMPATIENT = { REQUEST_TIMEOUT_MS: '5000', HEADERS_TIMEOUT_MS: '3000' }
/** Longer than the server waits for what is slow, so that it ends it in every block. */
const LEAST_BLOCK_MS = 6_500

test('while 300 sockets send nothing, or a head or a body a byte at a time, cached reads of others take less than twice their time at P95', async ({
  startOwn,
  measure,
  seed,
}, testInfo) => {
  const server = await startOwn({ name: 'optimised', environment: IMPATIENT })
  const { token } = await server.session('student1')
  const kinds: readonly SlowKind[] = ['silent', 'head', 'upload']
  const order: SlowSockets = { url: server.url, token, each: 100, kinds }
  await using flood = startFlood(FLOOD, order)

  const { statuses } = await judgeVictims(
    { testInfo, measure, server, flood },
    { id: 'flood.slow-senders', title: 'Flood of sockets that send slowly', seed, leastBlockMs: LEAST_BLOCK_MS },
  )
  // What does not arrive is the client's: the server ends it, and says so where there is the beginning of a request.
  expect(statuses['408']).toBeGreaterThan(0)
  expect(statuses['closed']).toBeGreaterThan(statuses['408'] ?? 0)
  expect(Object.keys(statuses).filter((status) => /^(?:2|5)\d\d$/.test(status))).toEqual([])
})

test('while 100 sockets ask for fifty files at once and read none of them, cached reads of others take less than twice their time at P95', async ({
  startOwn,
  measure,
  seed,
}, testInfo) => {
  const server = await startOwn({ name: 'optimised' })
  const { token } = await server.session('student1')
  const order: SlowSockets = { url: server.url, token, each: 100, kinds: ['deaf'] }
  await using flood = startFlood(FLOOD, order)

  const { statuses } = await judgeVictims(
    { testInfo, measure, server, flood },
    { id: 'flood.slow-readers', title: 'Flood of sockets that do not read', seed },
  )
  // None is refused: the server waits for them, each with one reply in its hands.
  expect(statuses['held']).toBeGreaterThan(0)
})
