import type { BigBodies } from '#fixtures/floods/big-bodies.process.ts'
import { judgeVictims } from '#fixtures/floods/judge-victims.ts'
import { startFlood } from '#fixtures/floods/start-flood.ts'
import { expect, test } from '#fixtures/test.ts'

const FLOOD = new URL('../../fixtures/floods/big-bodies.process.ts', import.meta.url)
/** BODY_LIMIT_BYTES, as it is by default. */
const LIMIT_BYTES = 102_400

test('while 16 connections send big, packed and nested bodies without pause, cached reads of others take less than twice their time at P95', async ({
  startOwn,
  measure,
  seed,
}, testInfo) => {
  const server = await startOwn({ name: 'optimised' })
  const { token } = await server.session('student1')
  const order: BigBodies = { url: server.url, token, limitBytes: LIMIT_BYTES }
  await using flood = startFlood(FLOOD, order)

  const { statuses } = await judgeVictims(
    { testInfo, measure, server, flood },
    { id: 'flood.bodies', title: 'Flood of big bodies', seed },
  )
  // Each is refused for what it is, and none by a fault of the server's.
  for (const status of ['400', '401', '413']) expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
  expect(Object.keys(statuses).filter((status) => /^(?:2|5)/.test(status))).toEqual([])
})
