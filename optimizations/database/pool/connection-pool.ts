import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { LatencyHistogram } from '#optimizations/kernel/histogram.ts'
import type { PoolStats } from '../database-stats.ts'
import { DatabaseError } from '../errors.ts'
import { BorrowerStacks } from './borrower-stacks.ts'
import { ConnectionOpener, type ConnectionOpenerDeps, type ConnectionOpenerOptions } from './connection-opener.ts'
import type { PooledConnection, Watched } from './pooled-connection.ts'
import { WaitingLine, type Waiter } from './waiting-line.ts'

export interface ConnectionPoolOptions extends ConnectionOpenerOptions {
  /** Kept open. */
  readonly size: number
  /** Opened above `size` when all are taken. */
  readonly overflow: number
  /** How long an idle connection above `size` lingers, so that the next burst finds it. */
  readonly lingerMs: number
  readonly acquireTimeoutMs: number
  /** More waiters than this are refused at once. */
  readonly maxWaiting: number
  /** A connection that was idle for longer is asked for a sign of life before it is lent. */
  readonly validateAfterIdleMs: number
  /** A loan that lasts longer is reported with the stack of its borrower. */
  readonly leakThresholdMs: number
}

export interface Leak {
  readonly heldMs: number
  /** Of the borrower; null for a loan of which none was taken. */
  readonly stack: string | null
  /** The shape of what was run last on it. */
  readonly lastStatement?: string | undefined
  readonly requestId: string | undefined
}

export interface ConnectionPoolDeps extends ConnectionOpenerDeps {
  readonly background: BackgroundTasks
  readonly onLeak: (leak: Leak) => void
}

export interface AcquireOptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
  readonly requestId?: string | undefined
  /** For loans that end in somebody else's code, who may forget: what `watch` answered. Others are not watched. */
  readonly watched?: Watched | undefined
}

const VALIDATION_TIMEOUT_MS = 1_000
const USAGE_WEIGHT = 0.05

/**
 * Lends connections: the most recently used first, so that caches are warm and surplus ones fall idle; waiters in the
 * order of their coming. A connection that becomes free, new or returned, goes to the first in line, whoever asked
 * for it to be opened.
 */
export class ConnectionPool {
  readonly #deps: ConnectionPoolDeps
  readonly #options: ConnectionPoolOptions
  #idle: PooledConnection[] = []
  readonly #lent = new Set<PooledConnection>()
  readonly #line: WaitingLine<PooledConnection>
  readonly #times = { acquire: new LatencyHistogram(), usage: new LatencyHistogram() }
  readonly #opener: ConnectionOpener
  readonly #stacks = new BorrowerStacks()
  readonly #stopped = Promise.withResolvers<void>()
  /** On their way in: being opened, or asked for a sign of life. */
  #opening = 0
  #closing = 0
  /** Connections that were idle at the last loss may have been lost with it, unnoticed. */
  #suspectUntil = Number.NEGATIVE_INFINITY
  /** A moving mean, by which the wait at the end of the line is foretold. */
  #usualUsageMs = 0
  #generation = 0
  #isStopping = false
  #sweeper: Disposable | null = null
  #counts = { invalid: 0, acquireTimeouts: 0, leaks: 0 }

  constructor(deps: ConnectionPoolDeps, options: ConnectionPoolOptions) {
    this.#deps = deps
    this.#options = options
    this.#opener = new ConnectionOpener(deps, options)
    this.#line = new WaitingLine(deps.clock, () => (this.#counts.acquireTimeouts += 1))
  }

  get total(): number {
    return this.#idle.length + this.#lent.size + this.#opening
  }

  get max(): number {
    return this.#options.size + this.#options.overflow
  }

  /** Opens the base connections, all at once. Rejects when not one can be opened. */
  async warmUp(): Promise<void> {
    const missing = Math.max(0, this.#options.size - this.total)
    const opened = await Promise.allSettled(Array.from({ length: missing }, () => this.#open()))
    const failed = opened.find((result) => result.status === 'rejected')
    if (this.total === 0 && failed !== undefined) throw failed.reason
    this.#scheduleSweep()
  }

  /**
   * Rejects with `pool_queue_full` at once when the line is too long for the time given, with `pool_acquire_timeout`
   * when its turn does not come in time, with the cause when the server cannot be reached, with the signal's reason.
   */
  async acquire(options: AcquireOptions = {}): Promise<PooledConnection> {
    options.signal?.throwIfAborted()
    if (this.#isStopping) throw new DatabaseError('database_stopped', 'The connection pool is stopped')
    const askedAt = this.#deps.clock.monotonic()
    const connection = this.#takeFresh() ?? (await this.#wait(options))
    const now = this.#deps.clock.monotonic()
    this.#times.acquire.record(now - askedAt)
    if (connection.generation !== this.#generation) {
      connection.prepared.closeAll()
      connection.generation = this.#generation
    }
    connection.loan = {
      borrowedAt: now,
      watched: options.watched ?? null,
      requestId: options.requestId,
      isReported: false,
    }
    return connection
  }

  /** Notes who is about to borrow, for the report on a loan that does not end. */
  watch(): Watched {
    return { stack: this.#stacks.take(this.#lent.size * 2 > this.#options.size) }
  }

  /** Every connection prepares its statements anew: the schema that they were planned for is gone. */
  forgetPrepared(): void {
    this.#generation += 1
  }

  /** Takes a connection back, in whatever state, and passes it on. */
  release(connection: PooledConnection): void {
    if (!this.#lent.delete(connection)) return
    const now = this.#deps.clock.monotonic()
    const usedMs = now - (connection.loan?.borrowedAt ?? now)
    this.#times.usage.record(usedMs)
    this.#usualUsageMs += USAGE_WEIGHT * (usedMs - this.#usualUsageMs)
    connection.loan = null
    // An open transaction is rolled back by the server when its connection goes: never by a next borrower.
    if (connection.isInTransaction || connection.expiresAt <= now) return this.#retire(connection)
    if (!connection.needsAbsorption) return this.#offer(connection)
    this.#opening += 1
    this.#deps.background.run('database.pool', async () => {
      await connection.absorbLateCancel()
      this.#opening -= 1
      if (connection.isLost) this.#replenish()
      else this.#offer(connection)
    })
  }

  /**
   * A connection broke: it is no longer part of the pool, wherever it was. Its borrower may give it back or not, and
   * Kysely (0.29) does not when BEGIN, or ROLLBACK after a failed COMMIT, finds it broken.
   */
  forget(connection: PooledConnection): void {
    this.#counts.invalid += 1
    this.#suspectUntil = this.#deps.clock.monotonic()
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    this.#lent.delete(connection)
    this.#replenish()
  }

  /** The server is silent: nobody waits for it any longer, whether for a connection or for an answer. */
  giveUp(): void {
    this.#line.rejectAll(new DatabaseError('database_unreachable', 'The server does not answer', { retryable: true }))
    for (const connection of [...this.#idle, ...this.#lent]) connection.destroy()
  }

  stats(): PoolStats {
    const { size } = this.#options
    return {
      poolSize: size,
      checkedIn: this.#idle.length,
      checkedOut: this.#lent.size,
      overflow: Math.max(0, this.total - size),
      totalConnections: this.total,
      invalidConnections: this.#counts.invalid,
      openedConnections: this.#opener.opened,
      waiting: this.#line.length,
      acquireTimeouts: this.#counts.acquireTimeouts,
      leaks: this.#counts.leaks,
      acquire: this.#times.acquire.snapshot(),
      usage: this.#times.usage.snapshot(),
      create: this.#opener.times.snapshot(),
    }
  }

  /** Lends nothing new, serves who waits, closes what comes back; after `drainMs` what is still lent is cut. */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true
    this.#sweeper?.[Symbol.dispose]()
    for (const connection of this.#idle.splice(0)) this.#retire(connection)
    this.#settleIfEmpty()
    const late = this.#deps.clock.schedule(drainMs, () => {
      this.#line.rejectAll(new DatabaseError('database_stopped', 'The connection pool was stopped meanwhile'))
      for (const connection of this.#lent) connection.destroy()
      this.#lent.clear()
      this.#stopped.resolve()
    })
    await this.#stopped.promise
    late[Symbol.dispose]()
  }

  /** The fast path: an idle connection that needs no question asked. */
  #takeFresh(): PooledConnection | undefined {
    const connection = this.#idle.at(-1)
    if (connection === undefined || this.#line.length > 0) return undefined
    const now = this.#deps.clock.monotonic()
    const isFresh = now - connection.idleSince <= this.#options.validateAfterIdleMs
    if (!isFresh || connection.idleSince <= this.#suspectUntil || connection.expiresAt <= now) return undefined
    this.#idle.pop()
    this.#lent.add(connection)
    return connection
  }

  async #wait(options: AcquireOptions): Promise<PooledConnection> {
    const timeoutMs = Math.min(options.timeoutMs ?? Number.POSITIVE_INFINITY, this.#options.acquireTimeoutMs)
    const { length } = this.#line
    const expectedMs = (length * this.#usualUsageMs) / this.max
    if (length >= this.#options.maxWaiting || expectedMs > timeoutMs) {
      throw new DatabaseError('pool_queue_full', `${length} others wait for a database connection already`, {
        retryable: true,
        details: { waiting: length, expectedMs, timeoutMs },
      })
    }
    const turn = this.#line.join(timeoutMs, options.signal)
    this.#serve()
    return await turn
  }

  /** Brings the line and the connections together: validates idle ones, opens new ones, as many as are waited for. */
  #serve(): void {
    while (this.#line.length > this.#opening && this.#idle.length > 0) {
      const connection = this.#idle.pop() as PooledConnection
      this.#opening += 1
      this.#deps.background.run('database.pool', async () => {
        const isUsable = await this.#validate(connection)
        this.#opening -= 1
        if (isUsable) this.#offer(connection)
        else this.#serve()
      })
    }
    while (this.#line.length > this.#opening && this.total < this.max && !this.#opener.isPaused) {
      this.#deps.background.run('database.pool', () => this.#grow())
    }
  }

  async #validate(connection: PooledConnection): Promise<boolean> {
    const now = this.#deps.clock.monotonic()
    if (connection.expiresAt <= now) {
      this.#retire(connection)
      return false
    }
    const isFresh = now - connection.idleSince <= this.#options.validateAfterIdleMs
    if (isFresh && connection.idleSince > this.#suspectUntil) return true
    return await connection.isAlive(VALIDATION_TIMEOUT_MS)
  }

  async #grow(): Promise<void> {
    try {
      await this.#open()
    } catch (error) {
      // As long as something is lent or on its way, those in line may still be served by it.
      if (this.total === 0) this.#line.rejectAll(error)
      else if (this.#lent.size === 0) this.#line.shift()?.reject(error)
    }
    this.#settleIfEmpty()
  }

  /** Counted in one place or another at every moment, so that there are never more than `max`. */
  async #open(): Promise<void> {
    this.#opening += 1
    let connection: PooledConnection
    try {
      connection = await this.#opener.open(() => this.#line.length > 0)
    } finally {
      this.#opening -= 1
    }
    this.#offer(connection)
  }

  /** To the first in line, or to the idle ones. */
  #offer(connection: PooledConnection): void {
    const next: Waiter<PooledConnection> | undefined = this.#line.shift()
    if (next !== undefined) {
      this.#lent.add(connection)
      next.resolve(connection)
    } else if (this.#isStopping) {
      this.#retire(connection)
    } else {
      connection.idleSince = this.#deps.clock.monotonic()
      this.#idle.push(connection)
    }
  }

  #retire(connection: PooledConnection): void {
    this.#closing += 1
    this.#deps.background.run('database.pool', async () => {
      await connection.close()
      this.#closing -= 1
      this.#settleIfEmpty()
    })
    this.#replenish()
  }

  #replenish(): void {
    this.#serve()
    this.#settleIfEmpty()
  }

  #settleIfEmpty(): void {
    const isEmpty = this.total + this.#closing === 0 && this.#line.length === 0
    if (this.#isStopping && isEmpty) this.#stopped.resolve()
  }

  #scheduleSweep(): void {
    const { lingerMs, leakThresholdMs } = this.#options
    this.#sweeper = this.#deps.clock.schedule(Math.min(lingerMs, leakThresholdMs) / 2, () => {
      this.#sweep()
      if (!this.#isStopping) this.#scheduleSweep()
    })
  }

  /** Oldest first, the idle ones that are too many or too old; and the loans that last too long. */
  #sweep(): void {
    const now = this.#deps.clock.monotonic()
    const { size, lingerMs } = this.#options
    let surplus = this.total - size
    const isLeaving = ({ idleSince, expiresAt }: PooledConnection): boolean => {
      if (expiresAt <= now) return true
      return now - idleSince >= lingerMs && surplus-- > 0
    }
    const leaving = this.#idle.filter(isLeaving)
    this.#idle = this.#idle.filter((connection) => !leaving.includes(connection))
    for (const connection of leaving) this.#retire(connection)
    for (const { loan, lastStatement } of this.#lent) {
      if (loan === null || loan.watched === null || loan.isReported) continue
      const heldMs = now - loan.borrowedAt
      if (heldMs < this.#options.leakThresholdMs) continue
      loan.isReported = true
      this.#counts.leaks += 1
      this.#stacks.leaked()
      const stack = loan.watched.stack?.stack ?? null
      this.#deps.onLeak({ heldMs, stack, lastStatement, requestId: loan.requestId })
    }
    const missing = this.#options.size - this.total
    for (let count = 0; count < missing; count += 1) this.#deps.background.run('database.pool', () => this.#grow())
  }
}
