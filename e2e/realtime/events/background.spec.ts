import { PusherFaultGateway } from '#fixtures/doubles/pusher-fault-gateway.ts'
import { reporters, type Reporter } from '#fixtures/faults/breakable-app.ts'
import { test } from '#fixtures/faults/breakable-fixtures.ts'
import { ApiClient } from '#fixtures/playwright/api-client.ts'
import { expect } from '#fixtures/test.ts'
import { readStamp } from '#optimizations/pusher/client/delivery-guard.js'

const FLOOD = 500

interface Item {
  readonly name: string
  readonly data: string
}
const API = '/api/v1'

async function pendingOf({ url }: { readonly url: string }): Promise<{ pending: number; backgroundPending: number }> {
  const { pusher } = (await new ApiClient(url).get('/metrics/performance')).body as {
    pusher: { pending: number; backgroundPending: number }
  }
  return { pending: pusher.pending, backgroundPending: pusher.backgroundPending }
}

test('an event of the school passes five hundred that a student has queued, on the very channel that is flooded', async ({
  breakable,
}) => {
  test.setTimeout(60_000)
  await using gateway = await PusherFaultGateway.start({ host: '127.0.0.1', port: breakable.pusherLink.port })
  /** Names by id, in the order of sending: what is sent again counts where it was first. */
  const sent = new Map<string, string>()
  gateway.plan = ({ path, body }) => {
    const { batch } = JSON.parse(path.includes('batch_events') ? body : '{"batch":[]}') as { batch: Item[] }
    for (const { name, data } of batch) {
      const id = readStamp(JSON.parse(data)).stamp?.id ?? ''
      if (!sent.has(id)) sent.set(id, name)
    }
    return undefined
  }
  // On services of its own: another server on the same database would send what this one holds back.
  await using server = await breakable.startServer({
    PUSHER_PORT: String(gateway.port),
    PUSHER_EVENTS_PER_SECOND: '5000',
    RATE_LIMIT_TRIGGERS_PER_USER: '0',
  })
  const [reporter] = reporters(1) as readonly [Reporter]
  const student = await breakable.clientOf(server, reporter.username)
  gateway.freeze()
  const typing = { channel: reporter.channel, event: 'typing.started', data: {} }
  const replies = await Promise.all(
    Array.from({ length: FLOOD }, () => student.post(`${API}/realtime/trigger`, typing)),
  )
  expect(replies.filter(({ status }) => status === 202)).toHaveLength(FLOOD)
  const progress = { percent: 3, timeSpentSec: 1 }
  expect((await student.put(`${API}/lessons/${reporter.lessonId}/progress`, progress)).status).toBe(200)
  await expect.poll(() => pendingOf(server)).toEqual({ pending: FLOOD + 1, backgroundPending: FLOOD })
  gateway.thaw()
  await expect.poll(() => sent.size).toBe(FLOOD + 1)
  const names = [...sent.values()]
  // A batch was under way on the channel, and order holds back what comes after it until it is answered.
  expect(names.indexOf('progress.updated')).toBeLessThanOrEqual(10)
  expect(names.filter((name) => name === 'typing.started')).toHaveLength(FLOOD)
})
