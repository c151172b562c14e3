import type { WireValue } from '../statements/encode-value.ts'
import type { PreparedStatements } from './prepared-statements.ts'
import {
  makeRow,
  rowShape,
  type FieldDescription,
  type RowShape,
  type TypeParsers,
  type WireConnection,
} from './wire-connection.ts'

export interface Answer {
  /** The first word of the server's tag, such as SELECT or ROLLBACK. */
  readonly command: string
  readonly rowCount: number | null
  readonly rows: Record<string, unknown>[]
  readonly fields: readonly FieldDescription[]
}

/** One statement as it goes over the wire. Without `parameters` it is sent as plain text, which may hold several. */
export interface WireStatement {
  readonly text: string
  readonly parameters: { readonly values: readonly WireValue[]; readonly oids: readonly number[] } | null
  /** Prepared under this name, a hash of the text; null leaves nothing on the server. */
  readonly name: string | null
}

export interface WireQueryDeps {
  readonly prepared: PreparedStatements
  readonly parserOf: TypeParsers
  /** Whether others are sent on the same connection without waiting: then all of one turn go in one write. */
  readonly isPipelined: boolean
}

/** Runs when all promises of the turn have been followed up, and with them all queries that they lead to. */
const uncork = ({ stream }: WireConnection): void => stream.uncork()

const TIMEOUT_TEXT = "select set_config('statement_timeout', $1, true)"

/**
 * A query in the form that `pg`'s Client submits, in place of its own: it declares parameter types, closes evicted
 * statements along the way, and does not have known rows described again. It settles only when the server is ready
 * for the next query, so that the transaction status is the true one by then.
 */
export class WireQuery {
  readonly name: string
  readonly text: string
  readonly answer: Promise<Answer>
  readonly #statement: WireStatement
  readonly #deps: WireQueryDeps
  readonly #timeoutMs: number | undefined
  readonly #settle: { resolve: (answer: Answer) => void; reject: (error: unknown) => void }
  #rows: Record<string, unknown>[] = []
  #shape: RowShape | null = null
  #command = ''
  #rowCount: number | null = null
  /** Results still to come that belong to no one: that of the timeout's own statement. */
  #skip = 0
  #failure: unknown = null
  #wasSent = false

  constructor(deps: WireQueryDeps, statement: WireStatement, timeoutMs?: number) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#deps = deps
    this.#statement = statement
    this.#timeoutMs = timeoutMs
    this.#settle = { resolve, reject }
    this.answer = promise
    this.text = statement.text
    // `pg` reads the name when the server has parsed: an empty one is not remembered.
    this.name = statement.name ?? ''
  }

  /** False as long as the server cannot have seen it, which makes it safe to send elsewhere. */
  get wasSent(): boolean {
    return this.#wasSent
  }

  submit(connection: WireConnection): null {
    const { text, parameters } = this.#statement
    this.#wasSent = true
    if (parameters === null && this.#timeoutMs === undefined) {
      connection.query(text)
      return null
    }
    // One write for all messages instead of one each.
    connection.stream.cork()
    try {
      this.#closeEvicted(connection)
      if (this.#timeoutMs !== undefined) this.#sendTimeout(connection, this.#timeoutMs)
      this.#send(connection)
      connection.sync()
    } finally {
      if (this.#deps.isPipelined) process.nextTick(uncork, connection)
      else connection.stream.uncork()
    }
    return null
  }

  /** In front of the statement and in the same implicit transaction, so that it holds for the statement alone. */
  #sendTimeout(connection: WireConnection, timeoutMs: number): void {
    connection.parse({ name: '', text: TIMEOUT_TEXT, types: [] })
    connection.bind({ statement: '', values: [String(timeoutMs)] })
    connection.execute({})
    this.#skip += 1
  }

  #send(connection: WireConnection): void {
    const { text, parameters, name } = this.#statement
    const { values, oids } = parameters ?? { values: [], oids: [] }
    const known = name === null ? undefined : this.#deps.prepared.get(name)
    if (known === undefined) {
      if (name !== null) this.#deps.prepared.add(name, text)
      this.#closeEvicted(connection)
      connection.parse({ name: this.name, text, types: oids })
    }
    connection.bind({ statement: this.name, values })
    this.#shape = known?.shape ?? null
    if (this.#shape === null) connection.describe({ type: 'P', name: '' })
    connection.execute({})
  }

  #closeEvicted(connection: WireConnection): void {
    for (const name of this.#deps.prepared.takeClosing()) {
      connection.close({ type: 'S', name })
      delete connection.parsedStatements[name]
    }
  }

  handleRowDescription({ fields }: { readonly fields: readonly FieldDescription[] }): void {
    this.#rows = []
    this.#shape = rowShape(fields, this.#deps.parserOf)
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#skip > 0 || this.#shape === null || this.#failure !== null) return
    try {
      this.#rows.push(makeRow(this.#shape, fields))
    } catch (error) {
      // A type parser that throws must not take the connection with it.
      this.#failure = error
    }
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    if (this.#skip > 0) {
      this.#skip -= 1
      return
    }
    const words = text.split(' ')
    this.#command = words[0] ?? ''
    const count = Number(words.at(-1))
    this.#rowCount = words.length > 1 && Number.isInteger(count) ? count : null
    const prepared = this.#statement.name === null ? undefined : this.#deps.prepared.get(this.#statement.name)
    if (prepared !== undefined) prepared.shape ??= this.#shape ?? rowShape([], this.#deps.parserOf)
  }

  handleEmptyQuery(): void {
    this.#command = ''
  }

  handlePortalSuspended(): void {
    // Portals are always run to their end: no row limit is ever sent.
  }

  handleCopyInResponse(connection: WireConnection & { sendCopyFail(reason: string): void }): void {
    connection.sendCopyFail('COPY FROM STDIN has no source here')
  }

  handleCopyData(): void {
    // COPY TO STDOUT has no reader here: its rows are dropped and its count is answered.
  }

  /** From the server, ReadyForQuery follows and is waited for; from the socket, nothing follows. */
  handleError(error: unknown, connection: WireConnection): void {
    const { name } = this.#statement
    if (name !== null && this.#deps.prepared.get(name)?.shape === null) this.#deps.prepared.close(name)
    const isFromServer = error instanceof Error && 'severity' in error
    if (!isFromServer) return this.#settle.reject(error)
    const settle = (): void => {
      connection.off('readyForQuery', settle)
      connection.off('end', settle)
      this.#settle.reject(error)
    }
    connection.on('readyForQuery', settle)
    connection.on('end', settle)
  }

  handleReadyForQuery(): void {
    if (this.#failure !== null) return this.#settle.reject(this.#failure)
    const { rows, shape } = { rows: this.#rows, shape: this.#shape }
    this.#settle.resolve({ command: this.#command, rowCount: this.#rowCount, rows, fields: shape?.fields ?? [] })
  }
}

/** Has the server parse a statement, for good if it has a name, and tell its result columns, without running it. */
export class DescribeQuery {
  readonly name: string
  readonly text: string
  readonly answer: Promise<readonly FieldDescription[]>
  readonly #oids: readonly number[]
  readonly #settle: { resolve: (fields: readonly FieldDescription[]) => void; reject: (error: unknown) => void }
  #fields: readonly FieldDescription[] = []

  constructor(text: string, oids: readonly number[], name = '') {
    const { promise, resolve, reject } = Promise.withResolvers<readonly FieldDescription[]>()
    this.name = name
    this.text = text
    this.answer = promise
    this.#oids = oids
    this.#settle = { resolve, reject }
  }

  submit(connection: WireConnection): null {
    connection.stream.cork()
    connection.parse({ name: this.name, text: this.text, types: this.#oids })
    connection.describe({ type: 'S', name: this.name })
    connection.sync()
    connection.stream.uncork()
    return null
  }

  handleRowDescription({ fields }: { readonly fields: readonly FieldDescription[] }): void {
    this.#fields = fields
  }

  handleError(error: unknown): void {
    this.#settle.reject(error)
  }

  handleReadyForQuery(): void {
    this.#settle.resolve(this.#fields)
  }
}
