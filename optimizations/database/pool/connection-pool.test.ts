import { expect, test } from '@playwright/test'
import { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { seededRandom } from '#optimizations/kernel/random.ts'
import { ManualClock } from '#fixtures/doubles/manual-clock.ts'
import { ConnectionPool, type ConnectionPoolOptions, type Leak } from './connection-pool.ts'
import type { PooledConnection } from './pooled-connection.ts'

/** A connection that opens, breaks and answers as a test wants it to. */
class FakeConnection {
  readonly world: World
  readonly prepared = { closeAll: () => (this.forgotten += 1) }
  expiresAt = Number.POSITIVE_INFINITY
  idleSince = 0
  loan: unknown = null
  generation = 0
  isLost = false
  isInTransaction = false
  lastStatement = ''
  needsAbsorption = false
  isResponsive = true
  forgotten = 0
  isClosed = false

  constructor(world: World) {
    this.world = world
  }

  async open(): Promise<void> {
    await this.world.opens
    if (this.world.failure !== null) throw this.world.failure
    if (this.isLost) throw new Error('Connection terminated')
  }

  async close(): Promise<void> {
    this.isLost = true
    this.isClosed = true
  }

  destroy(): void {
    this.lose()
  }

  lose(): void {
    if (this.isLost) return
    this.isLost = true
    this.world.pool.forget(this as unknown as PooledConnection)
  }

  async isAlive(): Promise<boolean> {
    if (!this.isResponsive) this.lose()
    return this.isResponsive
  }

  async absorbLateCancel(): Promise<void> {
    this.needsAbsorption = false
  }
}

interface World {
  readonly clock: ManualClock
  readonly pool: ConnectionPool
  readonly made: FakeConnection[]
  readonly leaks: Leak[]
  failure: Error | null
  prepare?: (connection: FakeConnection) => void
  opens: Promise<void>
  borrow(options?: Parameters<ConnectionPool['acquire']>[0]): Promise<FakeConnection>
  giveBack(connection: FakeConnection): void
}

function worldWith(options: Partial<ConnectionPoolOptions> = {}): World {
  const clock = new ManualClock()
  const made: FakeConnection[] = []
  const leaks: Leak[] = []
  const world = { clock, made, leaks, failure: null, opens: Promise.resolve() } as unknown as World
  const pool = new ConnectionPool(
    {
      clock,
      random: seededRandom(1),
      background: new BackgroundTasks(() => undefined, clock),
      guard: (open) => open(),
      create: () => {
        const connection = new FakeConnection(world)
        made.push(connection)
        return connection as unknown as PooledConnection
      },
      setUp: () => Promise.resolve(),
      prepare: async (connection) => world.prepare?.(connection as unknown as FakeConnection),
      onLeak: (leak) => leaks.push(leak),
    },
    {
      size: 1,
      overflow: 1,
      lingerMs: 1_000,
      acquireTimeoutMs: 5_000,
      connectTimeoutMs: 100,
      maxWaiting: 10,
      maxLifetimeMs: 1_000_000,
      validateAfterIdleMs: 500,
      leakThresholdMs: 10_000,
      ...options,
    },
  )
  return Object.assign(world, {
    pool,
    borrow: async (given = {}) => (await pool.acquire(given)) as unknown as FakeConnection,
    giveBack: (connection: FakeConnection) => pool.release(connection as unknown as PooledConnection),
  })
}

test('the connection that was used last is lent first, and none is opened without need', async () => {
  const world = worldWith({ size: 2 })
  await world.pool.warmUp()
  const [one, two] = [await world.borrow(), await world.borrow()]
  world.giveBack(one)
  world.giveBack(two)
  expect(await world.borrow()).toBe(two)
  expect(world.made).toHaveLength(2)
})

test('a connection that rested is asked for a sign of life, and a silent one replaced', async () => {
  const world = worldWith({ overflow: 0 })
  await world.pool.warmUp()
  await world.clock.advance(400)
  expect(await world.borrow()).toBe(world.made[0])
  world.giveBack(world.made[0] as FakeConnection)
  await world.clock.advance(600)
  ;(world.made[0] as FakeConnection).isResponsive = false
  const second = await world.borrow()
  expect(second).toBe(world.made[1])
  expect(world.pool.stats()).toMatchObject({ invalidConnections: 1, totalConnections: 1 })
})

test('after one loss all that were idle then are suspects', async () => {
  const world = worldWith({ size: 3, overflow: 0 })
  await world.pool.warmUp()
  const [first, second] = world.made
  first?.lose()
  if (second !== undefined) second.isResponsive = false
  const borrowed = await Promise.all([world.borrow(), world.borrow()])
  expect(borrowed).not.toContain(second)
})

test('a surplus connection lingers for the next burst and is closed after it', async () => {
  const world = worldWith()
  await world.pool.warmUp()
  const both = await Promise.all([world.borrow(), world.borrow()])
  for (const connection of both) world.giveBack(connection)
  await world.clock.advance(500)
  expect(world.pool.stats().overflow).toBe(1)
  await world.clock.advance(1_500)
  expect(world.pool.stats()).toMatchObject({ totalConnections: 1, overflow: 0 })
  expect(world.made.filter(({ isClosed }) => isClosed)).toHaveLength(1)
})

test('an open transaction, an expired or a lost connection is never lent again', async () => {
  const world = worldWith({ overflow: 0 })
  await world.pool.warmUp()
  const first = await world.borrow()
  first.isInTransaction = true
  world.giveBack(first)
  const second = await world.borrow()
  expect(second).not.toBe(first)
  second.expiresAt = 0
  world.giveBack(second)
  const third = await world.borrow()
  third.lose()
  world.giveBack(third)
  expect(await world.borrow()).toBe(world.made[3])
  world.giveBack(third)
  expect(world.pool.stats().totalConnections).toBe(1)
})

test('a connection that breaks while it is made ready is not taken for a good one', async () => {
  const world = worldWith({ size: 2 })
  world.prepare = (connection) => {
    if (connection === world.made[0]) connection.lose()
  }
  await world.pool.warmUp()
  expect(world.pool.stats()).toMatchObject({ checkedIn: 1, totalConnections: 1 })
  expect(await world.borrow()).toBe(world.made[1])
})

test('a server that is given up holds nobody: not who borrowed of it, not who waits for it', async () => {
  const world = worldWith({ size: 2, overflow: 0 })
  await world.pool.warmUp()
  const [first, second] = [await world.borrow(), await world.borrow()]
  const waiting = world.borrow()
  world.pool.giveUp()
  await expect(waiting).rejects.toMatchObject({ code: 'database_unreachable' })
  expect([first.isLost, second.isLost]).toEqual([true, true])
  expect(await world.borrow()).toBe(world.made[2])
})

test('lifetimes are drawn apart, and an expired idle connection is replaced while nobody waits', async () => {
  const world = worldWith({ size: 3, maxLifetimeMs: 10_000 })
  await world.pool.warmUp()
  const ends = world.made.map(({ expiresAt }) => expiresAt)
  expect(new Set(ends).size).toBe(3)
  for (const end of ends) expect(end).toBeGreaterThanOrEqual(9_000)
  await world.clock.advance(11_000)
  expect(world.made.length).toBeGreaterThanOrEqual(6)
  expect(world.pool.stats().totalConnections).toBe(3)
})

test('who waits longer than the line can serve is refused at once', async () => {
  const world = worldWith({ overflow: 0, maxWaiting: 100 })
  await world.pool.warmUp()
  for (let n = 0; n < 60; n += 1) {
    const held = await world.borrow()
    await world.clock.advance(300)
    world.giveBack(held)
  }
  await world.borrow()
  const waiting = [world.borrow(), world.borrow()]
  for (const one of waiting) one.catch(() => undefined)
  await expect(world.borrow({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'pool_queue_full' })
})

test('a failure to connect reaches who waits only when nothing else can serve them', async () => {
  const world = worldWith()
  await world.pool.warmUp()
  const held = await world.borrow()
  world.failure = new Error('refused')
  const waiting = world.borrow()
  await world.clock.advance(10)
  world.giveBack(held)
  expect(await waiting).toBe(held)
  held.lose()
  await expect(world.borrow()).rejects.toThrow('refused')
  await expect(worldFailing().pool.warmUp()).rejects.toThrow('refused')
})

function worldFailing(): World {
  const world = worldWith()
  world.failure = new Error('refused')
  return world
}

test('a server without connections to give is left alone for a while', async () => {
  const world = worldWith({ size: 1, overflow: 5 })
  await world.pool.warmUp()
  const held = await world.borrow()
  world.failure = Object.assign(new Error('too many'), { code: '53300' })
  const waiting = [world.borrow(), world.borrow()]
  await world.clock.advance(10)
  const tried = world.made.length
  const third = world.borrow()
  await world.clock.advance(10)
  expect(world.made).toHaveLength(tried)
  world.giveBack(held)
  for (const next of [waiting[0], waiting[1], third]) world.giveBack((await next) ?? held)
})

test('a server that accepts and says nothing costs the connect timeout and no place', async () => {
  const world = worldWith()
  const silence = Promise.withResolvers<void>()
  world.opens = silence.promise
  const waiting = world.borrow()
  waiting.catch(() => undefined)
  await world.clock.advance(101)
  silence.resolve()
  await expect(waiting).rejects.toMatchObject({ code: 'pool_connect_timeout' })
  expect(world.pool.stats().totalConnections).toBe(0)
})

test('a loan is reported once, and only where somebody might forget it', async () => {
  const world = worldWith({ size: 2 })
  await world.pool.warmUp()
  const held = await world.borrow({ watched: { stack: new Error('here') }, requestId: 'r' })
  held.lastStatement = 'select ?'
  await world.borrow()
  await world.clock.advance(60_000)
  expect(world.leaks).toHaveLength(1)
  expect(world.leaks[0]).toMatchObject({
    requestId: 'r',
    lastStatement: 'select ?',
    stack: expect.stringContaining('here'),
  })
})

test('stacks are taken of the first borrowers, of a sample, where connections are scarce, and after any leak', async () => {
  const world = worldWith({ size: 8 })
  await world.pool.warmUp()
  const takes = (count: number) => Array.from({ length: count }, () => world.pool.watch().stack !== null)
  expect(takes(1_000)).not.toContain(false)
  const sample = takes(320)
  expect(sample.filter(Boolean)).toHaveLength(10)
  const held = await Promise.all(Array.from({ length: 5 }, () => world.borrow({ watched: world.pool.watch() })))
  expect(takes(100)).not.toContain(false)
  for (const connection of held.slice(1)) world.giveBack(connection)
  expect(takes(100)).toContain(false)
  await world.clock.advance(60_000)
  expect(world.leaks).toHaveLength(1)
  expect(takes(100)).not.toContain(false)
})

test('a cancellation that may come late is absorbed before the next loan', async () => {
  const world = worldWith({ overflow: 0 })
  await world.pool.warmUp()
  const first = await world.borrow()
  first.needsAbsorption = true
  world.giveBack(first)
  expect(await world.borrow()).toBe(first)
  expect(first.needsAbsorption).toBe(false)
  first.needsAbsorption = true
  first.absorbLateCancel = async () => first.lose()
  world.giveBack(first)
  expect(await world.borrow()).not.toBe(first)
})

test('all connections forget what they prepared when the schema is another', async () => {
  const world = worldWith()
  await world.pool.warmUp()
  world.pool.forgetPrepared()
  const connection = await world.borrow()
  world.giveBack(connection)
  await world.borrow()
  expect(connection.forgotten).toBe(1)
})
