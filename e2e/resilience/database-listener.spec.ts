import { openLibrary } from '#fixtures/data/library-database.ts'
import { NotificationListener } from '#optimizations/database/notification-listener.ts'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { startFaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import { expect, test } from '#fixtures/test.ts'

const deps = () => ({ clock: systemClock, random: () => 0.5, background: new BackgroundTasks(() => undefined) })

test('a listener that loses its server comes back, hears again, and says that it may have missed something', async ({
  postgres,
}) => {
  await postgres.reset()
  await using proxy = await startFaultProxy(postgres.url)
  await using database = await openLibrary(postgres.url, { pool: { size: 1 } })
  await using listener = new NotificationListener(deps(), { connectionString: proxy.through(postgres.url) })
  const heard: string[] = []
  const states: boolean[] = []
  using _ = listener.onStateChange((connected) => void states.push(connected))
  using before = listener.on('news', (text) => void heard.push(text))
  await listener.start()
  expect(listener.connected).toBe(true)
  await database.query("select pg_notify('news', 'one')")
  await expect.poll(() => heard).toContain('one')
  const refusal = await proxy.inject({ kind: 'refuse' })
  proxy.reset()
  await expect.poll(() => listener.connected).toBe(false)
  // A subscription of the time without a connection holds from the next one on.
  using later = listener.on('later', (text) => void heard.push(`later ${text}`))
  await refusal.end()
  await expect.poll(() => listener.connected).toBe(true)
  // Nothing but that something may have been missed, on each channel, at the start and now.
  expect(heard).toEqual(['', 'one', '', 'later '])
  await database.query("select pg_notify('news', 'two')")
  await database.query("select pg_notify('later', 'two')")
  await expect.poll(() => heard.slice(4)).toEqual(['two', 'later two'])
  expect(states).toEqual([true, false, true])
  before[Symbol.dispose]()
  await database.query("select pg_notify('news', 'three')")
  // What is sent last is heard last: by then the one before it would have been.
  await database.query("select pg_notify('later', 'four')")
  await expect.poll(() => heard).toContain('later four')
  expect(heard).not.toContain('three')
  later[Symbol.dispose]()
})

test('a listener cannot be started where nobody answers, and is stopped for good', async ({ postgres }) => {
  const nobody = new NotificationListener(deps(), { connectionString: 'postgresql://postgres@127.0.0.1:9/none' })
  await expect(nobody.start()).rejects.toThrow('ECONNREFUSED')
  await nobody[Symbol.asyncDispose]()
  const listener = new NotificationListener(deps(), { connectionString: postgres.url })
  await listener.start()
  await listener[Symbol.asyncDispose]()
  expect(listener.connected).toBe(false)
})
