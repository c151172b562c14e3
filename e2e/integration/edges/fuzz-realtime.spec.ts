import * as fc from 'fast-check'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import { seededSchool } from '#fixtures/data/seed.ts'
import { secretsIn } from '#fixtures/edges/secrets.ts'
import { annotateFuzz } from '#fixtures/fuzz/annotate-fuzz.ts'
import { channelAuthRequest, type ChannelWorld } from '#fixtures/fuzz/channel-auth-arbitrary.ts'
import { channelsOf, createChannelTruth, type ChannelActor } from '#fixtures/fuzz/channel-truth.ts'
import { startFuzzedServer } from '#fixtures/fuzz/fuzzed-server.ts'
import { sendFuzz, sortsOf, totalOf } from '#fixtures/fuzz/send-fuzz.ts'
import { triggerRequest } from '#fixtures/fuzz/trigger-arbitrary.ts'
import { webhookRequest } from '#fixtures/fuzz/webhook-arbitrary.ts'
import type { App } from '#fixtures/playwright/app-fixtures.ts'
import { expect, test } from '#fixtures/test.ts'

const REQUESTS = 8_000
/** A flood of events is another matter, and each of these is delivered to everybody who listens. */
const TRIGGERS = 5_000
const WEBHOOKS = 5_000
const USERNAMES = ['admin', 'teacher1', 'teacher2', 'student1', 'student2', 'student50', 'parent1'] as const

const school = new SchoolIndex(seededSchool())

async function createWorld(app: App, environment: Readonly<Record<string, string>>): Promise<ChannelWorld> {
  const signedIn = USERNAMES.map(async (username): Promise<ChannelActor> => {
    const { id, role } = school.user(username)
    return { username, id, role, token: (await app.session(username)).token }
  })
  const known = await Promise.all(signedIn)
  const stranger: ChannelActor = { ...school.user('student3'), token: undefined }
  const actors = [...known, stranger]
  return {
    app: { key: environment['PUSHER_KEY'] ?? '', secret: environment['PUSHER_SECRET'] ?? '' },
    truth: createChannelTruth(school, actors),
    actors,
    channels: [...new Set(actors.flatMap((actor) => [...channelsOf(school, actor)]))],
  }
}

test('a signature for the WebSocket is given only for this socket and a channel that the actor may join, however it is asked for', async ({
  app,
  serverEnvironment,
  intensity,
  seed,
}) => {
  const count = Math.ceil(REQUESTS * intensity)
  test.setTimeout(60_000 + count * 50)
  await using server = await startFuzzedServer(serverEnvironment)
  const world = await createWorld(app, serverEnvironment)

  const requests = fc.sample(channelAuthRequest(world), { seed, numRuns: count })
  const { counts, faults } = await sendFuzz({ url: server.url, secrets: secretsIn(serverEnvironment) }, requests)
  annotateFuzz(test.info(), { seed, counts })

  expect(sortsOf(faults)).toEqual([])
  const { sent, statuses } = totalOf(counts)
  expect(sent).toBe(count)
  for (const status of [200, 400, 401, 403]) expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
  expect(server.output()).not.toContain('"request failed"')
})

test('no event reaches a channel that its sender may not join, or says what its sender may not say', async ({
  app,
  realtime,
  serverEnvironment,
  intensity,
  seed,
}) => {
  const count = Math.ceil(TRIGGERS * intensity)
  test.setTimeout(90_000 + count * 50)
  await using server = await startFuzzedServer(serverEnvironment)
  const world = await createWorld(app, serverEnvironment)
  const listeners = await Promise.all(
    ['teacher1', 'student1', 'parent1'].map(async (username) => {
      const listener = await realtime.connectAs(username)
      const actor = world.actors.find((one) => one.username === username)
      for (const channel of actor === undefined ? [] : channelsOf(school, actor)) await listener.subscribe(channel)
      return listener
    }),
  )

  const requests = fc.sample(triggerRequest(world), { seed, numRuns: count })
  const { counts, faults } = await sendFuzz({ url: server.url, secrets: secretsIn(serverEnvironment) }, requests)
  annotateFuzz(test.info(), { seed, counts })

  expect(sortsOf(faults)).toEqual([])
  const { statuses } = totalOf(counts)
  for (const status of [202, 400, 401, 403]) expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
  // Whoever stops has sent everything that was accepted.
  await server.stop()
  const received = listeners.flatMap((listener) => listener.received)
  await expect.poll(() => received.length).toBeGreaterThan(0)
  const forbidden = received.filter(({ channel, event, data }) => {
    const sender = world.actors.find(({ id }) => id === (data as { readonly from?: unknown }).from)
    return !event.startsWith('pusher') && (sender === undefined || !world.truth.maySend(sender, channel, event))
  })
  expect(forbidden).toEqual([])
})

test('a webhook is taken only with the signature of its bytes by this app, and none gets a 5xx', async ({
  serverEnvironment,
  intensity,
  seed,
  app,
}) => {
  const count = Math.ceil(WEBHOOKS * intensity)
  test.setTimeout(60_000 + count * 50)
  await using server = await startFuzzedServer(serverEnvironment)
  const { app: pusherApp, channels } = await createWorld(app, serverEnvironment)

  const requests = fc.sample(webhookRequest(pusherApp, channels, Date.now()), { seed, numRuns: count })
  const { counts, faults } = await sendFuzz({ url: server.url, secrets: secretsIn(serverEnvironment) }, requests)
  annotateFuzz(test.info(), { seed, counts })

  expect(sortsOf(faults)).toEqual([])
  const { statuses } = totalOf(counts)
  for (const status of [200, 401]) expect(statuses[status], `status ${status}`).toBeGreaterThan(0)
  expect(server.output()).not.toContain('"request failed"')
})
