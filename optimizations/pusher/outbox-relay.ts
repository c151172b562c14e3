import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import { PusherError } from './errors.ts'
import type { EventOutcome } from './event-outcome.ts'
import type { EventOutbox, OutboxEvent } from './outbox.ts'
import type { PublisherStatistics } from './publisher-statistics.ts'

export interface OutboxRelayOptions {
  readonly leaseMs: number
  /** Claimed and not ended, at most: what a crash makes others send again. */
  readonly maxOutstanding: number
  /** How often to look without being woken. */
  readonly pollMs: number
  /** An event that Pusher complained of so often is dead-lettered: see Blame. */
  readonly maxAttempts: number
  /** How long events rest that Pusher refused for the app's sake: a wrong secret, a quota. */
  readonly appFaultDelayMs: number
}

export interface OutboxRelayDependencies {
  readonly outbox: EventOutbox
  readonly clock: Clock
  readonly tasks: BackgroundTasks
  /** Queues the event until its lease is about to end. Throws what publish() throws. */
  readonly submit: (event: OutboxEvent, deadlineMs: number) => Promise<EventOutcome>
  /** False while Pusher does not answer: what is claimed then would only be given back. */
  readonly isReady: () => boolean
  readonly statistics: Pick<PublisherStatistics, 'recordRejected' | 'recordSetAside'>
}

type End = Pick<EventOutcome, 'outcome' | 'reason' | 'blame'>

const CLAIM_SIZE = 100
/** A lease is not used to its last moment: an answer under way must still find it valid. */
const LEASE_SHARE = 0.6
const ACKNOWLEDGE_ATTEMPTS = 5

/**
 * Brings events from the outbox to the queue, and their ends back: acknowledged after Pusher's answer and not before, so
 * that a crash at any moment repeats events and loses none.
 */
export class OutboxRelay {
  readonly #deps: OutboxRelayDependencies
  readonly #options: OutboxRelayOptions
  readonly #outstanding = new Set<string>()
  readonly #stop = new AbortController()
  #delivered: string[] = []
  #isAcknowledging = false
  #wake: (() => void) | undefined
  #isWoken = false
  #listening: Disposable | undefined
  #lastError: string | undefined
  /** Why an event was last given back unsent, although nothing is wrong with it. */
  #refusal: { readonly reason: string; readonly at: number } | undefined

  constructor(deps: OutboxRelayDependencies, options: OutboxRelayOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** What the outbox said last when it failed, or why events of it cannot be sent; undefined when all is well. */
  get fault(): string | undefined {
    const { clock } = this.#deps
    // What is given back for that reason comes again after the delay, and is refused again or sent.
    const isRecent = clock.monotonic() - (this.#refusal?.at ?? -Infinity) < 2 * this.#options.appFaultDelayMs
    return this.#lastError ?? (isRecent ? this.#refusal?.reason : undefined)
  }

  start(): void {
    this.#listening = this.#deps.outbox.onWake(() => this.#wakeUp())
    this.#deps.tasks.run('pusher.outbox', () => this.#loop())
  }

  /** Claims nothing more. What was claimed goes on. */
  close(): void {
    this.#listening?.[Symbol.dispose]()
    this.#stop.abort()
    this.#wakeUp()
  }

  async #loop(): Promise<void> {
    const { isReady } = this.#deps
    while (!this.#stop.signal.aborted) {
      this.#isWoken = false
      const room = Math.min(CLAIM_SIZE, this.#options.maxOutstanding - this.#outstanding.size)
      const claimed = room > 0 && isReady() ? await this.#claim(room) : 0
      // A full claim says that there is more.
      if (claimed < room || room === 0) await this.#rest()
    }
  }

  async #claim(limit: number): Promise<number> {
    const { outbox, clock } = this.#deps
    const deadlineAt = clock.monotonic() + this.#options.leaseMs * LEASE_SHARE
    try {
      const events = await outbox.claim(limit, this.#options.leaseMs)
      this.#lastError = undefined
      for (const event of events) {
        // Still on its way from a claim whose lease ran out: its end will be told when it comes.
        if (this.#outstanding.has(event.id)) continue
        this.#outstanding.add(event.id)
        this.#deps.tasks.run('pusher.outbox', () => this.#relay(event, deadlineAt - clock.monotonic()))
      }
      return events.length
    } catch (error) {
      this.#lastError = describeError(error)
      return 0
    }
  }

  async #relay(event: OutboxEvent, deadlineMs: number): Promise<void> {
    try {
      await this.#report(event, await this.#send(event, deadlineMs))
    } finally {
      this.#outstanding.delete(event.id)
      // The store may have held back what follows on this channel until now.
      if (!this.#isAcknowledging) this.#wakeUp()
    }
  }

  async #send(event: OutboxEvent, deadlineMs: number): Promise<End> {
    const { statistics, submit } = this.#deps
    if (event.attempts >= this.#options.maxAttempts) {
      statistics.recordRejected('too_many_attempts')
      statistics.recordSetAside()
      return { outcome: 'dead_lettered', reason: 'too_many_attempts' }
    }
    try {
      return await submit(event, deadlineMs)
    } catch (error) {
      const reason = describeError(error)
      if (!isOfTheEvent(error)) {
        this.#refusal = { reason, at: this.#deps.clock.monotonic() }
        return { outcome: 'released', reason, blame: 'app' }
      }
      statistics.recordSetAside()
      return { outcome: 'dead_lettered', reason }
    }
  }

  async #report({ id }: OutboxEvent, { outcome, reason, blame }: End): Promise<void> {
    const { outbox } = this.#deps
    if (outcome === 'delivered' || outcome === 'coalesced') await this.#acknowledge(id)
    else if (outcome === 'released') {
      const delayMs = blame === 'app' ? this.#options.appFaultDelayMs : 0
      await outbox.release([id], { delayMs, reason, isAttempt: blame === 'event' })
    } else await outbox.deadLetter([id], reason)
  }

  /** While one acknowledgement is under way the next ones gather, like events in a batch. */
  async #acknowledge(id: string): Promise<void> {
    this.#delivered.push(id)
    if (this.#isAcknowledging) return
    this.#isAcknowledging = true
    try {
      while (this.#delivered.length > 0) await this.#acknowledgeAll(this.#delivered.splice(0))
    } finally {
      this.#isAcknowledging = false
    }
  }

  /** Given up after some attempts: the lease runs out then, the events are sent again, and subscribers drop them. */
  async #acknowledgeAll(ids: readonly string[]): Promise<void> {
    const { outbox, clock } = this.#deps
    for (let attempt = 1; attempt <= ACKNOWLEDGE_ATTEMPTS; attempt += 1) {
      try {
        await outbox.acknowledge(ids)
        return
      } catch (error) {
        this.#lastError = describeError(error)
        await clock.sleep(100 * attempt)
      }
    }
  }

  #wakeUp(): void {
    this.#isWoken = true
    this.#wake?.()
  }

  async #rest(): Promise<void> {
    if (this.#isWoken) return
    const { promise, resolve } = Promise.withResolvers<void>()
    using _timer = this.#deps.clock.schedule(this.#options.pollMs, resolve)
    this.#wake = resolve
    await promise
    this.#wake = undefined
  }
}

/** Whatever else publish() throws may be over later: an event is set aside only for what is in it. */
function isOfTheEvent(error: unknown): boolean {
  return error instanceof PusherError && (error.code === 'invalid_event' || error.code === 'event_too_large')
}
