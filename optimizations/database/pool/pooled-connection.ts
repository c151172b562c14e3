import { Client, type ClientConfig } from 'pg'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { DatabaseError, isConnectionLoss, sqlStateOf } from '../errors.ts'
import { NO_EFFECT, type WriteEffect } from '../results/write-effect.ts'
import { encodeValue, type FormatDate } from '../statements/encode-value.ts'
import type { SqlAnalysis } from '../statements/sql-analysis.ts'
import { StatementCall } from '../statements/statement-call.ts'
import { requestCancel } from './cancel-request.ts'
import { PendingWrites } from './pending-writes.ts'
import { PreparedStatements, type PreparedLimits } from './prepared-statements.ts'
import type { FieldDescription, TypeParser } from './wire-connection.ts'
import { DescribeQuery, WireQuery, type Answer, type WireQueryDeps, type WireStatement } from './wire-query.ts'

/** What one execution took and brought, for statistics. */
export interface Executed {
  readonly call: StatementCall
  readonly executeMs: number
  /** The same without the time behind others in a pipeline. */
  readonly serviceMs: number
  readonly answer: Answer | null
  readonly error: unknown
  readonly notices: readonly string[]
}

/** Everything a connection has to tell. All of it is called synchronously and must not throw. */
export interface ConnectionObserver {
  analyze(text: string): SqlAnalysis
  effectOf(analysis: SqlAnalysis): WriteEffect
  /** A statement that tells the other processes of `effect` when the transaction around it commits; null for none. */
  announcement(effect: WriteEffect): WireStatement | null
  /** The tables of `effect` may have changed for everybody. */
  committed(effect: WriteEffect): void
  executed(execution: Executed): void
  lost(connection: PooledConnection): void
  released(connection: PooledConnection): void
}

export interface PooledConnectionOptions {
  readonly client: ClientConfig
  readonly prepared: PreparedLimits
  /** What the session is told to allow a statement; a request's deadline shortens it. 0 is no limit. */
  readonly statementTimeoutMs: number
  readonly formatDate: FormatDate
}

/** A cursor, as Kysely hands it over and expects it back. */
export interface Streamed {
  readonly text: string
}

/** What is known of a borrower who might forget to give back. */
export interface Watched {
  readonly stack: Error | null
}

/** Who borrowed, and since when. */
export interface Loan {
  readonly borrowedAt: number
  readonly watched: Watched | null
  readonly requestId: string | undefined
  isReported: boolean
}

const QUERY_CANCELED = '57014'
/** How long a cancelled statement may take to end before its connection is cut. */
const CANCEL_GRACE_MS = 2_000
/** A deadline is told to the server when it leaves less than this part of what the session allows anyway. */
const WORTH_TELLING = 0.8

/**
 * One connection, and the one place that every statement of the process passes: the ORM's, Kysely's and raw ones. So
 * here it is known what is prepared, in which transaction a write stands, and when it is committed.
 */
export class PooledConnection {
  readonly prepared: PreparedStatements
  expiresAt = Number.POSITIVE_INFINITY
  idleSince = 0
  loan: Loan | null = null
  /** The shape of what was run last. */
  lastStatement: string | undefined
  /** The schema generation that its prepared statements belong to. */
  generation = 0
  readonly #client: Client
  readonly #clock: Clock
  readonly #observer: ConnectionObserver
  readonly #options: PooledConnectionOptions
  readonly #parsers = new Map<number, TypeParser>()
  readonly #wire: WireQueryDeps
  readonly #pending = new PendingWrites()
  #notices: string[] = []
  /** When the statement before was answered: the server answers in order. */
  #lastEndedAt = 0
  #isLost = false
  #mayBeCancelledLate = false

  constructor(clock: Clock, observer: ConnectionObserver, options: PooledConnectionOptions) {
    this.#clock = clock
    this.#observer = observer
    this.#options = options
    this.prepared = new PreparedStatements(options.prepared)
    const isPipelined = Reflect.get(options.client, 'pipeline') === true
    this.#wire = { prepared: this.prepared, parserOf: (oid) => this.#parserOf(oid), isPipelined }
    this.#client = new Client({ ...options.client, statement_timeout: options.statementTimeoutMs })
    this.#client.on('error', () => this.#lose())
    this.#client.on('end', () => this.#lose())
    this.#client.on('notice', ({ message }) => void (message === undefined || this.#notices.push(message)))
  }

  /** Kysely reads it to cancel; undefined before the connection is open. */
  get processID(): number | undefined {
    return Reflect.get(this.#client, 'processID') ?? undefined
  }

  get isLost(): boolean {
    return this.#isLost
  }

  get isInTransaction(): boolean {
    return this.#client.getTransactionStatus() !== 'I'
  }

  async open(): Promise<void> {
    await this.#client.connect()
  }

  async close(): Promise<void> {
    this.#isLost = true
    await this.#client.end().catch(() => undefined)
  }

  /** Cuts the socket: for a connection whose server does not answer. */
  destroy(): void {
    const connection: unknown = Reflect.get(this.#client, 'connection')
    ;(connection as { stream: { destroy(): void } }).stream.destroy()
    this.#lose()
  }

  /** A round trip; false, and lost, when it does not come back in time. */
  async isAlive(timeoutMs: number): Promise<boolean> {
    try {
      await withDeadline('The validation of a connection', timeoutMs, this.#client.query(''))
      return !this.#isLost
    } catch {
      this.destroy()
      return false
    }
  }

  async describe(text: string, oids: readonly number[]): Promise<readonly FieldDescription[]> {
    const query = new DescribeQuery(text, oids)
    this.#client.query(query as never)
    return await query.answer
  }

  /** Parses a statement under its name, so that its first execution here need not. */
  async prepare({ name, text, oids }: { name: string; text: string; oids: readonly number[] }): Promise<void> {
    const query = new DescribeQuery(text, oids, name)
    this.#client.query(query as never)
    await query.answer
    this.prepared.add(name, text)
  }

  /** Plain statements of this module's own, outside of what is observed. */
  async ask(sql: string): Promise<readonly Record<string, unknown>[]> {
    return (await this.#client.query<Record<string, unknown>>(sql)).rows
  }

  /** What Kysely calls: for statements of the ORM, for transaction control, for cursors and for its own builder. */
  query(text: string | Streamed, values?: readonly unknown[]): Promise<Answer> | Streamed {
    if (typeof text !== 'string') return this.#stream(text)
    const [call] = values ?? []
    if (call instanceof StatementCall) return this.run(call)
    const encoded = (values ?? []).map((value) => encodeValue(value, this.#options.formatDate))
    const statement = { text, parameters: encoded.length === 0 ? null : { values: encoded, oids: [] }, name: null }
    return this.run(new StatementCall(statement, { analysis: this.#observer.analyze(text), identity: null }, null))
  }

  release(): void {
    if (!this.isInTransaction) this.#publish()
    this.#observer.released(this)
  }

  async run(call: StatementCall): Promise<Answer> {
    const { analysis, context } = call
    context?.signal?.throwIfAborted()
    const effect = this.#observer.effectOf(analysis)
    const endsTransaction = analysis.verb === 'commit' || analysis.verb === 'end'
    if (endsTransaction && this.#client.getTransactionStatus() === 'T') await this.#announce(this.#pending.effect)
    const startedAt = this.#clock.monotonic()
    this.#notices = []
    this.lastStatement = analysis.fingerprint
    const query = new WireQuery(this.#wire, call.statement, this.#timeoutFor(call))
    let answer: Answer | null = null
    let failure: unknown = null
    try {
      answer = await this.#send(query, context?.signal)
      return answer
    } catch (error) {
      failure = endsTransaction && isConnectionLoss(error) ? commitInDoubt(error) : error
      throw failure
    } finally {
      call.wasSent = query.wasSent
      if (query.wasSent) await this.#settle(analysis, effect, answer)
      const endedAt = this.#clock.monotonic()
      const executeMs = endedAt - startedAt
      const serviceMs = endedAt - Math.max(startedAt, this.#lastEndedAt)
      this.#lastEndedAt = endedAt
      this.#observer.executed({ call, executeMs, serviceMs, answer, error: failure, notices: this.#notices })
    }
  }

  get needsAbsorption(): boolean {
    return this.#mayBeCancelledLate
  }

  /** After a cancellation that came too late for its statement: takes the blow in place of the next one. */
  async absorbLateCancel(): Promise<void> {
    if (!this.#mayBeCancelledLate) return
    this.#mayBeCancelledLate = false
    await this.#client.query('select 1').catch(() => undefined)
  }

  /** `pg` runs a cursor by itself. What it writes counts as done when the connection comes back. */
  #stream(cursor: Streamed): Streamed {
    const analysis = this.#observer.analyze(cursor.text)
    this.lastStatement = analysis.fingerprint
    this.#pending.add(this.#observer.effectOf(analysis))
    return this.#client.query(cursor as never)
  }

  async #send(query: WireQuery, signal: AbortSignal | undefined): Promise<Answer> {
    if (signal === undefined) {
      this.#client.query(query as never)
      return await query.answer
    }
    const cancel = (): void => void this.#cancel(query.answer)
    signal.addEventListener('abort', cancel, { once: true })
    try {
      this.#client.query(query as never)
      return await query.answer
    } catch (error) {
      if (signal.aborted && (sqlStateOf(error) === QUERY_CANCELED || this.#isLost)) throw signal.reason
      throw error
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  /** The statement ends by itself when the server heeds the request; when it does not, the connection is cut. */
  async #cancel(answer: Promise<Answer>): Promise<void> {
    this.#mayBeCancelledLate = true
    const cut = this.#clock.schedule(CANCEL_GRACE_MS, () => this.destroy())
    const { host, port } = this.#client
    const secretKey: unknown = Reflect.get(this.#client, 'secretKey')
    const backend = { host, port, processId: this.processID ?? 0, secretKey: Number(secretKey) }
    await requestCancel(backend, AbortSignal.timeout(CANCEL_GRACE_MS)).catch(() => undefined)
    await answer.catch((error: unknown) => {
      if (sqlStateOf(error) === QUERY_CANCELED) this.#mayBeCancelledLate = false
    })
    cut[Symbol.dispose]()
  }

  /** Tells what the statement brought into force. */
  async #settle({ kind }: SqlAnalysis, effect: WriteEffect, answer: Answer | null): Promise<void> {
    const isAlone = this.#pending.effect === NO_EFFECT
    this.#pending.add(effect)
    if (this.#pending.effect === NO_EFFECT) return
    const { isInTransaction, isLost } = this
    const written = this.#pending.settle({ kind, command: answer?.command ?? null, isInTransaction, isLost })
    if (written === NO_EFFECT) return
    this.#observer.committed(written)
    // A statement by itself is committed already; its announcement follows it on the same connection.
    if (isAlone && !isLost) await this.#announce(written).catch(() => undefined)
  }

  async #announce(effect: WriteEffect): Promise<void> {
    const statement = effect === NO_EFFECT ? null : this.#observer.announcement(effect)
    if (statement === null) return
    const query = new WireQuery(this.#wire, statement)
    this.#client.query(query as never)
    await query.answer
  }

  #timeoutFor({ context, analysis }: StatementCall): number | undefined {
    const isTimed = analysis.isSingleStatement && (analysis.kind === 'read' || analysis.kind === 'write')
    if (context?.deadlineAt === undefined || !isTimed) return undefined
    const remainingMs = Math.ceil(context.deadlineAt - this.#clock.now())
    const allowedMs = this.#options.statementTimeoutMs
    if (allowedMs > 0 && remainingMs >= allowedMs * WORTH_TELLING) return undefined
    return Math.max(1, remainingMs)
  }

  #parserOf(oid: number): TypeParser {
    const known = this.#parsers.get(oid)
    if (known !== undefined) return known
    const parser = (this.#client as { getTypeParser(oid: number, format: 'text'): TypeParser }).getTypeParser(
      oid,
      'text',
    )
    this.#parsers.set(oid, parser)
    return parser
  }

  #lose(): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#publish()
    this.#observer.lost(this)
  }

  #publish(): void {
    const written = this.#pending.take()
    if (written !== NO_EFFECT) this.#observer.committed(written)
  }
}

function commitInDoubt(cause: unknown): DatabaseError {
  return new DatabaseError('commit_in_doubt', 'The connection was lost while the transaction was committing', { cause })
}
