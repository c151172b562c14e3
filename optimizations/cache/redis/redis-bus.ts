import { Cluster, ReplyError, type Redis } from 'ioredis'
import { Packr } from 'msgpackr'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { CacheError } from '../cache-error.ts'
import type { CacheKey } from '../cache-key.ts'
import {
  EVERYTHING,
  type Announcement,
  type BusListener,
  type Change,
  type InvalidationBus,
  type Membership,
} from '../invalidation-bus.ts'
import type { RedisKeys } from './redis-keys.ts'
import { REDIS_SCRIPTS } from './redis-scripts.ts'
import { runScript, runScriptInOrder, type Script } from './script-runner.ts'

/** Where Redis sends the invalidations of client tracking to a RESP2 connection. */
const TRACKING_CHANNEL = '__redis__:invalidate'

export interface RedisBusDependencies {
  /** Tracking is a state of this connection. */
  readonly data: Redis | Cluster
  readonly connect: (attempt: number) => Redis
  readonly keys: RedisKeys
  readonly clock: Clock
}

export interface RedisBusOptions {
  readonly member: string
  readonly memoryLeaseMs: number
  /** How long a marker may take before the connection counts as dead. */
  readonly markerTimeoutMs: number
  readonly usesTracking: boolean
}

interface Marker {
  readonly text: string
  readonly arrived: () => void
}

/** Announcements by publish and subscribe; foreign writes by client tracking, where the server allows it. */
export class RedisBus implements InvalidationBus {
  readonly #deps: RedisBusDependencies
  readonly #options: RedisBusOptions
  readonly #packer = new Packr({ useRecords: false })
  #listener: BusListener | undefined
  #client: Redis | undefined
  #attempts = 0
  /** Grows with every loss: what was begun before one must not be finished after it. */
  #losses = 0
  #markers = 0
  #settledAt = 0
  #marker: Marker | undefined
  #seesForeignWrites = false

  constructor(deps: RedisBusDependencies, options: RedisBusOptions) {
    this.#deps = deps
    this.#options = options
    // Tracking belongs to the data connection: when that goes, foreign writes go unreported.
    if (this.#canTrack) deps.data.on('close', () => this.#lose('the data connection closed'))
  }

  get member(): string {
    return this.#options.member
  }

  get isListening(): boolean {
    return this.#client !== undefined
  }

  get seesForeignWrites(): boolean {
    return this.isListening && this.#seesForeignWrites
  }

  async listen(listener: BusListener): Promise<void> {
    const losses = this.#losses
    const client = this.#deps.connect(this.#attempts)
    this.#attempts += 1
    // Every fault of this connection shows as its end.
    client.on('error', () => undefined)
    client.once('close', () => this.#lose('the invalidation connection closed', client))
    try {
      await client.connect()
      const id = await client.client('ID')
      client.on('messageBuffer', (channel: Buffer, message: unknown) => this.#receive(client, String(channel), message))
      await client.subscribe(
        this.#deps.keys.announcements,
        this.#deps.keys.inbox(this.#options.member),
        TRACKING_CHANNEL,
      )
      this.#seesForeignWrites = await this.#track(id)
      this.#settledAt = await this.#settle()
      if (losses !== this.#losses || client.status !== 'ready') throw unavailable('The connection was lost at once')
    } catch (error) {
      client.disconnect()
      throw error
    }
    this.#listener = listener
    this.#client = client
  }

  /**
   * When no process can be left that registered with an earlier incarnation of the server. At the first connection
   * its uptime tells; a later one may follow a restart or a failover, so a whole lease must pass.
   */
  async #settle(): Promise<number> {
    const { clock, data } = this.#deps
    const uptime = this.#attempts > 1 ? null : /uptime_in_seconds:(\d+)/.exec(await data.info('server'))
    // Whole seconds, rounded down.
    const upMs = Number(uptime?.[1] ?? 0) * 1_000
    return clock.monotonic() + Math.max(0, this.#options.memoryLeaseMs - upMs)
  }

  async announce(announcement: Announcement): Promise<Membership> {
    const { from, sequence, keys, tags, everything } = announcement
    const message = this.#packer.pack([from, sequence, keys, tags, everything])
    const { data, keys: names } = this.#deps
    // Who acknowledges one has applied all before it, so none may overtake another.
    const answer = await runScriptInOrder(
      data,
      REDIS_SCRIPTS.announce,
      [names.register],
      [names.announcements, message],
    )
    const [ageMs, listeners, members] = answer as [number, number, readonly (Buffer | number)[]]
    const others: { id: string; remainingMs: number }[] = []
    for (let index = 0; index < members.length; index += 2) {
      const id = String(members[index])
      if (id !== this.#options.member) others.push({ id, remainingMs: Number(members[index + 1]) })
    }
    // A register that was flushed or evicted is new, and so is that of a server which has been restarted. Members of
    // the old one may be alive unless every connection that listens belongs to a member of the new one.
    const isComplete = listeners === members.length / 2
    const { clock } = this.#deps
    const unsettledMs = this.isListening ? this.#settledAt - clock.monotonic() : this.#options.memoryLeaseMs
    return { others, unlistedMs: Math.max(0, unsettledMs, isComplete ? 0 : this.#options.memoryLeaseMs - ageMs) }
  }

  async acknowledge(to: string, sequence: number): Promise<void> {
    await this.#deps.data.publish(this.#deps.keys.inbox(to), `a:${this.#options.member}:${sequence}`)
  }

  async renew(): Promise<void> {
    if (this.#client === undefined) throw unavailable('Not listening')
    const { promise, resolve } = Promise.withResolvers<void>()
    const text = `m:${(this.#markers += 1)}`
    this.#marker = { text, arrived: resolve }
    // The script registers and publishes at once. What was announced earlier lies before the marker in the one stream
    // that both arrive in, so the marker's arrival proves that it has all been applied here.
    const { member, memoryLeaseMs, markerTimeoutMs } = this.#options
    await this.#run(REDIS_SCRIPTS.renewMember, [member, memoryLeaseMs, this.#deps.keys.inbox(member), text])
    try {
      await withDeadline('the marker', markerTimeoutMs, promise)
    } catch (error) {
      this.#lose('the invalidation connection is silent')
      throw error
    }
  }

  async leave(): Promise<void> {
    await this.#deps.data.zrem(this.#deps.keys.register, this.#options.member)
  }

  async stop(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    client?.disconnect()
  }

  get #canTrack(): boolean {
    return this.#options.usesTracking && !(this.#deps.data instanceof Cluster)
  }

  async #track(redirectTo: number): Promise<boolean> {
    if (!this.#canTrack) return false
    const { data, keys } = this.#deps
    try {
      // The prefixes of an earlier round would collide with the same ones.
      await data.call('CLIENT', 'TRACKING', 'OFF')
      const prefixes = ['PREFIX', keys.entryPrefix, 'PREFIX', keys.tagPrefix]
      await data.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', redirectTo, 'BCAST', ...prefixes)
      return true
    } catch (error) {
      // An answer that says no: the server is too old, or the account may not. Anything else is a fault.
      if (error instanceof ReplyError) return false
      throw error
    }
  }

  async #run(one: Script, args: readonly (string | number | Buffer)[]): Promise<unknown> {
    return runScript(this.#deps.data, one, [this.#deps.keys.register], args)
  }

  #receive(client: Redis, channel: string, message: unknown): void {
    const listener = this.#listener
    if (client !== this.#client || listener === undefined) return
    if (channel === TRACKING_CHANNEL) listener.written(this.#parseWritten(message))
    else if (channel === this.#deps.keys.announcements) listener.announced(this.#parseAnnouncement(message as Buffer))
    else this.#open(listener, String(message))
  }

  /** What comes to this process alone: `m:<number>`, or `a:<member>:<sequence>`. */
  #open(listener: BusListener, text: string): void {
    if (text === this.#marker?.text) this.#marker.arrived()
    const [kind, member = '', sequence] = text.split(':')
    if (kind === 'a') listener.acknowledged(member, Number(sequence))
  }

  #parseWritten(message: unknown): Change {
    // Null after FLUSHDB and FLUSHALL.
    if (!Array.isArray(message)) return EVERYTHING
    const keys: CacheKey[] = []
    const tags: string[] = []
    for (const name of message as readonly Buffer[]) {
      const parsed = this.#deps.keys.parse(String(name))
      if (parsed === undefined) continue
      if ('key' in parsed) keys.push(parsed.key)
      else tags.push(parsed.tag)
    }
    return { keys, tags, everything: false }
  }

  #parseAnnouncement(message: Buffer): Announcement {
    try {
      const [from, sequence, keys, tags, everything] = this.#packer.unpack(message) as Packed
      return { from, sequence, keys, tags, everything }
    } catch {
      // Not of this release: what it meant is unknown, so it means all.
      return { ...EVERYTHING, from: '', sequence: 0 }
    }
  }

  #lose(reason: string, client = this.#client): void {
    this.#losses += 1
    if (client === undefined || client !== this.#client) return
    this.#client = undefined
    client.disconnect()
    this.#listener?.lost(reason)
  }
}

type Packed = [string, number, readonly CacheKey[], readonly string[], boolean]

function unavailable(message: string): CacheError {
  return new CacheError('cache_unavailable', message, { retryable: true })
}
