import { judgeVictims } from '#fixtures/floods/judge-victims.ts'
import type { SlowSockets } from '#fixtures/floods/slow-sockets.process.ts'
import { startFlood } from '#fixtures/floods/start-flood.ts'
import { expect, test } from '#fixtures/test.ts'

const FLOOD = new URL('../../fixtures/floods/slow-sockets.process.ts', import.meta.url)
const EACH = 100
/** Longer than the server waits for what is slow, so that it ends some of them in every block. */
const LEAST_BLOCK_MS = 8_000
const IMPATIENT = { REQUEST_TIMEOUT_MS: '5000', HEADERS_TIMEOUT_MS: '3000' }

test(`while ${4 * EACH} sockets send nothing, a byte at a time or do not read, cached reads of others take less than twice their time at P95`, async ({
  startOwn,
  measure,
  seed,
}, testInfo) => {
  const server = await startOwn({ name: 'optimised', environment: IMPATIENT })
  const { token } = await server.session('student1')
  const order: SlowSockets = { url: server.url, token, each: EACH }
  await using flood = startFlood(FLOOD, order)

  const { statuses } = await judgeVictims(
    { testInfo, measure, server, flood },
    { id: 'flood.slow-sockets', title: 'Flood of slow sockets', seed, leastBlockMs: LEAST_BLOCK_MS },
  )
  // What does not arrive is the client's: the server ends it, and says so where there is a request.
  expect(statuses['408']).toBeGreaterThan(0)
  expect(statuses['closed']).toBeGreaterThan(0)
  expect(Object.keys(statuses).filter((status) => /^(?:2|5)\d\d$/.test(status))).toEqual([])
})
