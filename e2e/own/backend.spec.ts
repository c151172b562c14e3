import { measureClockOffset } from '#fixtures/backend/clock-offset.ts'
import type { BackendConfig } from '#fixtures/backend/config.ts'
import { audienceOf, EventListeners } from '#fixtures/backend/event-listeners.ts'
import { readOwnConfig } from '#fixtures/backend/read-own-config.ts'
import { test } from '#fixtures/backend/test.ts'
import { visitPage } from '#fixtures/backend/visit-page.ts'

const config: Partial<BackendConfig> = (await readOwnConfig()) ?? {}
const { name = 'own', ratePerSecond = 0, targets = {}, http = {} } = config
const { saturation, events, page: described, compare, growth } = config
const WARM_UP_VISITS = 5

test(`${name}, ${ratePerSecond} requests a second`, async ({ backend, measure }) => {
  await measure.load(backend, {
    ...backend.traffic,
    id: 'own.load',
    title: `${name}, ${ratePerSecond} requests a second`,
    ratePerSecond,
    timeLimitMs: http.timeLimitMs,
    targets,
  })
})

if (saturation !== undefined) {
  test(`${name}, with up to ${Math.max(...saturation.users)} users at the same time`, async ({ backend, measure }) => {
    const title = `${name}, rising load`
    const voidReason = await measure.quiet()
    const { steps } = await measure.saturation(backend, {
      ...backend.traffic,
      id: 'own.saturation',
      title,
      users: saturation.users,
    })
    const last = steps.at(-1)
    const faults = last?.faults ?? {}
    if (saturation.targets !== undefined && last !== undefined) {
      const labels = { id: 'own.saturation.last', title: `${title}, at ${last.users} users` }
      await measure.latencies(last.latenciesMs, { ...labels, voidReason, targets: saturation.targets })
    }
    measure.faults(faults)
  })
}

if (events !== undefined) {
  test(`${name}, an event for each "${events.cause}"`, async ({ backend, measure, config: whole }) => {
    const rate = events.ratePerSecond ?? ratePerSecond
    const isElsewhere = 'url' in whole.server && !/^https?:\/\/(localhost|127\.|\[::1\])/.test(backend.url)
    const clock = isElsewhere && events.clock !== 'tester' ? await measureClockOffset(backend.url) : undefined
    const { listening, sending } = audienceOf(whole, backend.clients)
    await using listeners = await EventListeners.join({
      url: backend.url,
      pusher: events.pusher ?? backend.given.pusher,
      authEndpoint: events.authEndpoint,
      events,
      clients: listening,
      clock,
    })
    const voidReason = await measure.quiet()
    const run = await measure.load(backend, {
      scenario: backend.traffic.scenario,
      context: { url: backend.url, clients: sending.map(({ headers, ids }) => ({ headers, ids })) },
      weights: { [events.cause]: 1 },
      id: 'own.events.request',
      title: `${name}, "${events.cause}" ${rate} times a second`,
      ratePerSecond: rate,
      timeLimitMs: http.timeLimitMs,
      targets: { errors: '<1%' },
    })
    await measure.delivery(await listeners.deliveryOf(run), {
      id: 'own.events',
      title: `${name}, event for "${events.cause}", send to callback`,
      voidReason,
      targets: events.targets,
    })
  })
}

if (described !== undefined) {
  test(`${name}, the page ${described.path} in Chromium`, async ({ backend, measure, page }) => {
    const voidReason = await measure.quiet()
    const { latenciesMs, faults } = await visitPage(page, {
      url: backend.url + described.path,
      times: measure.plan.repetitions,
      warmUps: WARM_UP_VISITS,
      client: backend.clients[0],
    })
    const wrong = Object.entries(faults).map(([fault, count]) => `${count} visits ended with ${fault}`)
    await measure.environment(backend)
    await measure.latencies(latenciesMs, {
      id: 'own.page',
      title: `${name}, the page ${described.path}`,
      targets: described.targets,
      voidReason: wrong.length === 0 ? voidReason : wrong.join('; '),
    })
    measure.faults(faults)
  })
}

if (compare !== undefined) {
  test(`${name} against ${compare.name ?? 'the other'}`, async ({ backend, measure, startOther }) => {
    const other = await startOther({ name: 'the other', ...compare })
    await measure.compare([other, backend], {
      ...other.traffic,
      secondContext: backend.traffic.context,
      id: 'own.compare',
      title: `${name} against ${other.name}`,
      load: compare.users === undefined ? { ratePerSecond } : { users: compare.users },
      targets: compare.targets,
    })
  })
}

if (growth !== undefined) {
  test(`${name} does not grow while it does the same over and over`, async ({ backend, measure }) => {
    const { heapMiB, handles, memoryMiB } = growth
    await measure.growth(
      {
        ...backend,
        atRest: async () => {
          const rest = await backend.inside?.atRest()
          if (rest === undefined && (heapMiB ?? handles) !== undefined) {
            throw new Error('growth.heapMiB and growth.handles need a Node program that can be looked into')
          }
          const { rssBytes = 0 } = (await backend.inside?.read()) ?? {}
          return { heapBytes: 0, handles: 0, ...rest, memoryBytes: rssBytes }
        },
      },
      {
        ...backend.traffic,
        id: 'own.growth',
        title: `${name}, the same over and over`,
        ratePerSecond,
        looks: 8,
        budgets: {
          ...(heapMiB !== undefined && { heap: `<${heapMiB}` }),
          ...(handles !== undefined && { handles: `<${handles}` }),
          ...(memoryMiB !== undefined && { memory: `<${memoryMiB}` }),
        },
      },
    )
  })
}
