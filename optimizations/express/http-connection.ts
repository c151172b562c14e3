import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { YieldingQueue } from './yielding-queue.ts'

/** How long what a client still sends is read and thrown away after our last word (RFC 9112, 9.6). */
const LINGER_MS = 500

/**
 * As many requests may wait on one connection: more than any client sends before it has a reply. Each costs its sender
 * some bytes, and the server much more.
 */
const MOST_WAITING = 100

/**
 * busy: a request is not answered yet. begun: bytes came that are no whole head yet. idle: nothing is asked, and
 * closing it takes nothing from anybody. closing: our last word is said.
 */
export type ConnectionState = 'busy' | 'begun' | 'idle' | 'closing'

/** One connection, and what is asked on it. Node tells apart only "has a request" and "has none". */
export class HttpConnection {
  readonly #socket: Socket
  readonly #pipelined: YieldingQueue
  readonly #open = new Map<ServerResponse, IncomingMessage>()
  /** How many of the bytes that were read belong to requests that have been answered. */
  #bytesAnswered = 0
  /** What is handled when the reply before is out. */
  readonly #waiting: (() => void)[] = []
  #lastRequest: IncomingMessage | undefined
  #isClosing = false

  /** `pipelined` is that of all connections. */
  constructor(socket: Socket, pipelined: YieldingQueue) {
    this.#socket = socket
    this.#pipelined = pipelined
    // Node calls it after the reply that says `connection: close`. A plain close is a reset for a client that is still
    // sending, and a reset may take from it the reply that it has not read yet (RFC 9112, 9.6).
    socket.destroySoon = () => this.endWith()
  }

  get state(): ConnectionState {
    if (this.#isClosing) return 'closing'
    if (this.#open.size > 0) return 'busy'
    // A request may be answered before its body is over: what still comes of that is no new head.
    if (this.#lastRequest?.complete === false) this.#bytesAnswered = this.bytesRead
    return this.bytesRead > this.#bytesAnswered ? 'begun' : 'idle'
  }

  get bytesRead(): number {
    return this.#socket.bytesRead
  }

  /** Replies that are not out yet, in the order of their requests. */
  get responses(): readonly ServerResponse[] {
    return [...this.#open.keys()]
  }

  /**
   * `handle` is called when the replies before this one are out (RFC 9112, 9.3.2): who reads no replies makes the server
   * hold one of them, and not as many as fit into a segment. It waits for its turn then, behind who sends one at a time.
   */
  begin(request: IncomingMessage, response: ServerResponse, handle: () => void): void {
    this.#lastRequest = request
    this.#open.set(response, request)
    response.once('close', () => {
      this.#open.delete(response)
      this.#bytesAnswered = this.bytesRead
      if (this.#waiting.length > 0 && !this.#socket.destroyed) this.#pipelined.add(() => this.#handleNext())
    })
    if (this.#open.size === 1) {
      this.#pipelined.yieldToOthers()
      handle()
    } else if (this.#waiting.push(handle) > MOST_WAITING) {
      this.destroy()
    }
  }

  #handleNext(): void {
    if (!this.#socket.destroyed) this.#waiting.shift()?.()
  }

  /** The last bytes of this connection. What arrives afterwards is not executed: nobody could be told of it. */
  endWith(bytes = ''): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#socket.end(bytes)
    this.#socket.resume()
    const timer = setTimeout(() => this.#socket.destroy(), LINGER_MS)
    this.#socket.once('close', () => clearTimeout(timer))
  }

  /** Without a word. */
  destroy(): void {
    this.#isClosing = true
    this.#socket.destroy()
  }
}
