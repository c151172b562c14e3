import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { HttpConnection } from './http-connection.ts'
import { rawProblem } from './raw-problem.ts'
import { RequestError } from './request-error.ts'
import { YieldingQueue } from './yielding-queue.ts'

/** A path, an address with a host, or the server as a whole (RFC 9112, 3.2). Express has no answer of ours to others. */
const TARGET = /^(?:\/|\*$|https?:\/\/[^/?#])/i

/** All connections of a server, and the way of its requests to the application. */
export class HttpConnections {
  readonly #listener: RequestListener
  readonly #known = new Map<Socket, HttpConnection>()
  readonly #pipelined = new YieldingQueue()
  #held: (() => void)[] | undefined

  constructor(listener: RequestListener) {
    this.#listener = listener
  }

  all(): readonly HttpConnection[] {
    return [...this.#known.values()]
  }

  of(socket: Socket): HttpConnection {
    const known = this.#known.get(socket)
    if (known !== undefined) return known
    const connection = new HttpConnection(socket, this.#pipelined)
    this.#known.set(socket, connection)
    socket.once('close', () => this.#known.delete(socket))
    return connection
  }

  /** Requests that come before the call of what it returns wait for that call. */
  hold(): () => void {
    this.#held ??= []
    return () => {
      const held = this.#held ?? []
      this.#held = undefined
      for (const go of held) go()
    }
  }

  readonly take = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = this.of(request.socket)
    if (connection.state === 'closing') return
    if (!TARGET.test(request.url ?? '')) {
      connection.endWith(rawProblem(new RequestError(400, 'bad_request', 'The target of the request is none.')))
      return
    }
    const handle = (): void => this.#listener(request, response)
    connection.begin(request, response, () => {
      if (this.#held === undefined) handle()
      else this.#held.push(handle)
    })
  }
}
