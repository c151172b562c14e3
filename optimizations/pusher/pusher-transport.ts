import { Client, type Dispatcher } from 'undici'

import type { Clock } from '#optimizations/kernel/clock.ts'
import { classifyAnswer, spokenStatus } from './classify-answer.ts'
import { apiOrigin, createPusherLibrary, type PusherApp } from './pusher-app.ts'
import type { HttpAnswer } from './http-answer.ts'
import { parseRetryAfter } from './retry-delay.ts'
import type { SendOutcome } from './send-outcome.ts'

/** Signed requests to one app's HTTP API. Nothing here rejects: a fault is an answer too. */
export interface PusherTransport {
  /** `path` is relative to the app: `/batch_events`. */
  send(path: string, body: string): Promise<SendOutcome>
  request(method: 'GET' | 'POST', path: string, params?: Readonly<Record<string, string>>): Promise<HttpAnswer>
  /** Breaks off what is under way. */
  close(): Promise<void>
}

export interface TransportOptions {
  /** Connections kept open to the app, and so the most requests at a time. */
  readonly poolSize: number
  readonly connectTimeoutMs: number
  /** From a request until its status. */
  readonly requestTimeoutMs: number
  /** From the status until the end of the body. */
  readonly bodyTimeoutMs: number
}

const MAX_BODY_CHARACTERS = 65_536
const HEADERS = { 'content-type': 'application/json', 'x-pusher-library': 'hotpath' }

/** Opens no connection before the first request. */
export function createPusherTransport(app: PusherApp, options: TransportOptions, clock: Clock): PusherTransport {
  const library = createPusherLibrary(app)
  const base = `/apps/${encodeURIComponent(app.appId)}`
  const settings: Client.Options = {
    pipelining: 1,
    connectTimeout: options.connectTimeoutMs,
    headersTimeout: options.requestTimeoutMs,
    // AnswerHandler keeps the time: undici's starts anew with every piece, so that a body of one byte a second never ends.
    bodyTimeout: 0,
  }
  const connections = Array.from({ length: options.poolSize }, () => ({
    client: new Client(apiOrigin(app), settings),
    open: 0,
  }))
  // Not undici's Pool: to find the connection that is free is all that it would do, for a twentieth of what a request costs.
  const leastBusy = () => connections.reduce((best, one) => (one.open < best.open ? one : best))

  const exchange = (
    method: 'GET' | 'POST',
    relative: string,
    body: string | undefined,
    params: Readonly<Record<string, string>> = {},
  ): Promise<HttpAnswer> => {
    const path = base + relative
    // Bytes once, for the hash and for the socket.
    const bytes = body === undefined ? undefined : Buffer.from(body)
    const query = library.createSignedQueryString({ method, path, params, ...signedBody(bytes) })
    const connection = leastBusy()
    connection.open += 1
    const handler = new AnswerHandler(clock, options.bodyTimeoutMs, () => (connection.open -= 1))
    try {
      connection.client.dispatch({ method, path: `${path}?${query}`, headers: HEADERS, body: bytes ?? null }, handler)
    } catch (error) {
      handler.fail(error)
    }
    return handler.answer
  }

  return {
    send: async (path, body) => classifyAnswer(await exchange('POST', path, body)),
    request: async (method, path, params) => {
      const answer = await exchange(method, path, method === 'POST' ? '{}' : undefined, params)
      return { ...answer, status: spokenStatus(answer) }
    },
    close: async () => {
      await Promise.all(connections.map(({ client }) => client.destroy()))
    },
  }
}

/** The library hashes bytes as well as the string that its types ask for. */
function signedBody(bytes: Buffer | undefined): { readonly body?: string } {
  return bytes === undefined ? {} : { body: bytes as unknown as string }
}

/** Collects one answer: the lowest level of undici, because a stream for each body of two bytes is what costs most. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpAnswer>
  readonly #settle: (answer: HttpAnswer) => void
  readonly #clock: Clock
  readonly #bodyTimeoutMs: number
  readonly #onEnd: () => void
  #status = 0
  #body = ''
  #retryAfterMs: number | undefined
  #timer: Disposable | undefined
  #isFinished = false

  constructor(clock: Clock, bodyTimeoutMs: number, onEnd: () => void) {
    const { promise, resolve } = Promise.withResolvers<HttpAnswer>()
    this.answer = promise
    this.#settle = resolve
    this.#clock = clock
    this.#bodyTimeoutMs = bodyTimeoutMs
    this.#onEnd = onEnd
  }

  onRequestStart(): void {
    // Required by undici's type of handler; there is nothing to prepare.
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // An interim answer: the one that counts is on its way (RFC 9110, 15.2).
    if (status < 200) return
    this.#status = status
    const retryAfter = headers['retry-after']
    if (typeof retryAfter === 'string') this.#retryAfterMs = parseRetryAfter(retryAfter, this.#clock.now())
    // Mostly the body is in the same packet, and has been read when the microtask runs.
    queueMicrotask(() => {
      if (this.#isFinished) return
      this.#timer = this.#clock.schedule(this.#bodyTimeoutMs, () => controller.abort(new Error('slow body')))
    })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#body.length < MAX_BODY_CHARACTERS) this.#body += chunk.toString('utf8')
  }

  onResponseEnd(): void {
    this.#finish(undefined)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }

  fail(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    this.#finish(typeof code === 'string' && code !== '' ? code.toLowerCase() : 'failed')
  }

  #finish(fault: string | undefined): void {
    // A dispatch that throws may have told the handler before.
    if (this.#isFinished) return
    this.#isFinished = true
    this.#onEnd()
    this.#timer?.[Symbol.dispose]()
    this.#settle({ status: this.#status, body: this.#body, retryAfterMs: this.#retryAfterMs, fault })
  }
}
