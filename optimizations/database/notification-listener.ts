import { Client, escapeIdentifier, type ClientConfig } from 'pg'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'

const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 5_000
/** How often the connection proves that it is alive: a half-open socket delivers nothing and reports nothing. */
const KEEPALIVE_MS = 10_000

export interface NotificationListenerDeps {
  readonly clock: Clock
  readonly random: Random
  readonly background: BackgroundTasks
}

type Listener = (payload: string) => void

/**
 * One dedicated connection that LISTENs for everybody in the process. PostgreSQL keeps nothing for a listener that is
 * away, so those who depend on every message learn of each loss and each return by `onStateChange`.
 */
export class NotificationListener implements AsyncDisposable {
  readonly #deps: NotificationListenerDeps
  readonly #connection: ClientConfig
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #stateListeners = new Set<(connected: boolean) => void>()
  #next: Disposable | null = null
  #failures = 0
  #isStopped = false
  #client: Client | null = null
  #connected = false

  constructor(deps: NotificationListenerDeps, connection: ClientConfig) {
    this.#deps = deps
    this.#connection = connection
  }

  get connected(): boolean {
    return this.#connected
  }

  /** Connects once and rejects when that fails; from then on it reconnects by itself until stopped. */
  async start(): Promise<void> {
    await this.#connect()
    this.#plan()
  }

  /** Calls `listener` with the payload of every message on `channel`, and with '' whenever some may have been missed. */
  on(channel: string, listener: Listener): Disposable {
    const known = this.#listeners.get(channel)
    const listeners = known ?? new Set<Listener>()
    listeners.add(listener)
    if (known === undefined) {
      this.#listeners.set(channel, listeners)
      if (this.#client !== null) this.#listen(this.#client, channel)
    }
    return { [Symbol.dispose]: () => void listeners.delete(listener) }
  }

  onStateChange(listener: (connected: boolean) => void): Disposable {
    this.#stateListeners.add(listener)
    return { [Symbol.dispose]: () => void this.#stateListeners.delete(listener) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    this.#next?.[Symbol.dispose]()
    const client = this.#client
    this.#lose(client)
    await client?.end().catch(() => undefined)
  }

  async #connect(): Promise<void> {
    const client = new Client(this.#connection)
    client.on('error', () => this.#lose(client))
    client.on('end', () => this.#lose(client))
    client.on('notification', ({ channel, payload }) => this.#deliver(channel, payload ?? ''))
    try {
      await client.connect()
      for (const channel of this.#listeners.keys()) await client.query(`listen ${escapeIdentifier(channel)}`)
    } catch (error) {
      await client.end().catch(() => undefined)
      throw error
    }
    if (this.#isStopped) return await client.end()
    this.#client = client
    this.#setConnected(true)
    for (const channel of this.#listeners.keys()) this.#deliver(channel, '')
  }

  /** Sets the time of the next look: soon and with jitter after a failure, now and then while all is well. */
  #plan(): void {
    this.#next?.[Symbol.dispose]()
    if (this.#isStopped) return
    const { clock, random, background } = this.#deps
    const limitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures)
    const delayMs = this.#client === null ? random() * limitMs : KEEPALIVE_MS
    this.#next = clock.schedule(delayMs, () => background.run('database.listen', () => this.#look()))
  }

  async #look(): Promise<void> {
    if (this.#client !== null) await this.#probe(this.#client)
    else {
      await this.#connect().then(
        () => (this.#failures = 0),
        () => (this.#failures += 1),
      )
    }
    this.#plan()
  }

  async #probe(client: Client): Promise<void> {
    const late = this.#deps.clock.schedule(KEEPALIVE_MS, () => this.#lose(client))
    await client.query('').catch(() => this.#lose(client))
    late[Symbol.dispose]()
  }

  /** What was sent before the server listened is lost: hence the message of our own behind it. */
  #listen(client: Client, channel: string): void {
    this.#deps.background.run('database.listen', async () => {
      try {
        await client.query(`listen ${escapeIdentifier(channel)}`)
        this.#deliver(channel, '')
      } catch {
        this.#lose(client)
      }
    })
  }

  #lose(client: Client | null): void {
    if (client === null || client !== this.#client) return
    this.#client = null
    this.#setConnected(false)
    this.#plan()
    void client.end().catch(() => undefined)
  }

  #setConnected(connected: boolean): void {
    this.#connected = connected
    for (const listener of this.#stateListeners) listener(connected)
  }

  #deliver(channel: string, payload: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener(payload)
  }
}
