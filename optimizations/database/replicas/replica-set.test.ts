import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { TableVersions } from '../results/table-versions.ts'
import { ReplicaSet, type Lsn } from './replica-set.ts'

interface Server {
  position: Lsn | Error
}

async function ask(server: Server): Promise<Lsn> {
  if (server.position instanceof Error) throw server.position
  return server.position
}

function setUp(count: number) {
  const clock = new ManualClock()
  const versions = new TableVersions(() => clock.monotonic())
  const primary: Server = { position: 100n }
  const servers = Array.from({ length: count }, (): Server => ({ position: 100n }))
  const replicas = servers.map((server, index) => ({
    pool: `replica ${index}`,
    position: () => ask(server),
    giveUp: () => undefined,
  }))
  const deps = { clock, background: new BackgroundTasks(() => undefined, clock), versions, replicas }
  const set = new ReplicaSet({ ...deps, primaryPosition: () => ask(primary) }, { pollMs: 10, maxLagBytes: 1_000 })
  return { clock, versions, primary, servers, set }
}

const TABLES = new Set(['a'])

test('a table that was written to is read from the primary until the replica has the write', async () => {
  const { clock, versions, primary, servers, set } = setUp(1)
  await set.start()
  expect(set.choose(TABLES)).toBe('replica 0')
  versions.written(TABLES)
  expect(set.choose(TABLES)).toBeNull()
  expect(set.choose(new Set(['b']))).toBe('replica 0')
  primary.position = 150n
  await clock.advance(10)
  expect(set.choose(TABLES)).toBeNull()
  if (servers[0] !== undefined) servers[0].position = 149n
  await clock.advance(10)
  expect(set.choose(TABLES)).toBeNull()
  if (servers[0] !== undefined) servers[0].position = 150n
  await clock.advance(10)
  expect(set.choose(TABLES)).toBe('replica 0')
  set.stop()
})

test('of several the one least behind is chosen, and one too far behind or silent never', async () => {
  const { clock, primary, servers, set } = setUp(3)
  const [near, far, silent] = servers as [Server, Server, Server]
  await set.start()
  primary.position = 2_000n
  near.position = 1_900n
  far.position = 500n
  silent.position = new Error('gone')
  await clock.advance(10)
  expect(set.lags).toEqual([100, 1_500, null])
  expect(set.complaints).toEqual(['replica 2 is 1500 bytes behind', 'replica 3 does not answer'])
  expect(set.choose(TABLES)).toBe('replica 0')
  near.position = new Error('gone too')
  await clock.advance(10)
  expect(set.choose(TABLES)).toBeNull()
  primary.position = new Error('the primary as well')
  far.position = 2_000n
  await clock.advance(10)
  expect(set.choose(TABLES)).toBe('replica 1')
  set.stop()
})

test('without replicas there is nothing to ask and nothing to choose', async () => {
  const { clock, set } = setUp(0)
  await set.start()
  expect(clock.pending).toBe(0)
  expect(set.choose(TABLES)).toBeNull()
})
