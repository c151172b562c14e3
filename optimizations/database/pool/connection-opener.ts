import type { Clock } from '#optimizations/kernel/clock.ts'
import { LatencyHistogram } from '#optimizations/kernel/histogram.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import { DatabaseError, sqlStateOf } from '../errors.ts'
import type { PooledConnection } from './pooled-connection.ts'

export interface ConnectionOpenerDeps {
  readonly clock: Clock
  readonly random: Random
  /** Makes a connection that tells its pool of its loss and release. */
  readonly create: () => PooledConnection
  /** Runs the opening: a breaker refuses here while the server is known to be away. */
  readonly guard: (open: () => Promise<void>) => Promise<void>
  /** What every connection is told before it is lent. */
  readonly setUp: (connection: PooledConnection) => Promise<void>
  /** What a connection is made ready with while nobody waits for it yet. */
  readonly prepare: (connection: PooledConnection) => Promise<void>
}

export interface ConnectionOpenerOptions {
  readonly connectTimeoutMs: number
  /** Each connection is replaced at an age drawn between 90 and 100 percent of this, so that they do not go together. */
  readonly maxLifetimeMs: number
}

const LIFETIME_JITTER = 0.1
/** After the server refused a connection for having too many (53300), how long none is added. */
const GROWTH_PAUSE_MS = 5_000
const TOO_MANY_CONNECTIONS = '53300'

/** Opens connections and knows how that has gone. */
export class ConnectionOpener {
  readonly times = new LatencyHistogram()
  readonly #deps: ConnectionOpenerDeps
  readonly #options: ConnectionOpenerOptions
  #pausedUntil = Number.NEGATIVE_INFINITY
  #opened = 0

  constructor(deps: ConnectionOpenerDeps, options: ConnectionOpenerOptions) {
    this.#deps = deps
    this.#options = options
  }

  get opened(): number {
    return this.#opened
  }

  /** Whether the server said of late that it has no more connections to give. */
  get isPaused(): boolean {
    return this.#deps.clock.monotonic() < this.#pausedUntil
  }

  async open(isAwaited: () => boolean): Promise<PooledConnection> {
    const { clock, random } = this.#deps
    const startedAt = clock.monotonic()
    try {
      const connection = await this.#connect(isAwaited)
      const now = clock.monotonic()
      this.times.record(now - startedAt)
      this.#opened += 1
      connection.expiresAt = now + this.#options.maxLifetimeMs * (1 - LIFETIME_JITTER * random())
      return connection
    } catch (error) {
      if (sqlStateOf(error) === TOO_MANY_CONNECTIONS) this.#pausedUntil = clock.monotonic() + GROWTH_PAUSE_MS
      throw error
    }
  }

  async #connect(isAwaited: () => boolean): Promise<PooledConnection> {
    const { clock, create, guard, setUp, prepare } = this.#deps
    const { connectTimeoutMs } = this.#options
    const connection = create()
    let isLate = false
    const late = clock.schedule(connectTimeoutMs, () => {
      isLate = true
      connection.destroy()
    })
    const inTime = async (work: () => Promise<void>): Promise<void> => {
      await work().catch((error: unknown) => {
        throw isLate ? connectTimeout(connectTimeoutMs, error) : error
      })
    }
    try {
      await guard(() => inTime(() => connection.open()))
      // A server that let us in is not away, whatever becomes of this one connection: no matter for the breaker.
      await inTime(() => setUp(connection))
      if (!isAwaited()) await prepare(connection)
      // The pool was told of its loss when it was no part of it yet, and will not be told again.
      if (connection.isLost) throw new Error('Connection terminated while it was made ready')
      return connection
    } catch (error) {
      await connection.close()
      throw error
    } finally {
      late[Symbol.dispose]()
    }
  }
}

function connectTimeout(connectTimeoutMs: number, cause: unknown): DatabaseError {
  return new DatabaseError('pool_connect_timeout', `PostgreSQL did not answer within ${connectTimeoutMs} ms`, {
    retryable: true,
    cause,
  })
}
