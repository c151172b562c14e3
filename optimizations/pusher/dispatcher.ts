import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import { isOfWhatItCarries, type Answered } from './answered-request.ts'
import { EventSender } from './event-sender.ts'
import { EventQueue, type EventQueueOptions } from './event-queue.ts'
import type { Shipment } from './lane-schedule.ts'
import type { PublisherStatistics } from './publisher-statistics.ts'
import type { PusherTransport } from './pusher-transport.ts'
import type { SendOutcome } from './send-outcome.ts'
import { tierOf, type QueuedEvent, type Tier } from './queued-event.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { RequestBodies } from './request-bodies.ts'
import { retryDelayMs } from './retry-delay.ts'
import { createTierState, type TierState } from './tier-state.ts'
import type { Encrypt } from './wire-format.ts'

export interface DispatcherOptions extends EventQueueOptions {
  /** Requests at a time: the connections of the transport. */
  readonly poolSize: number
  readonly batchSize: number
  /** How long an event waits for company while a request is under way. */
  readonly batchTimeoutMs: number
  readonly retryBaseMs: number
  readonly retryMaxMs: number
  /** An event that keeps failing is dead-lettered at this age. Waiting while Pusher is down does not count as failing. */
  readonly giveUpAfterMs: number
}

export interface DispatcherDependencies {
  readonly clock: Clock
  readonly random: Random
  readonly tasks: BackgroundTasks
  readonly transport: PusherTransport
  readonly limiter: RateLimiter
  readonly breaker: CircuitBreaker
  readonly statistics: PublisherStatistics
  readonly encrypt: Encrypt
}

/**
 * Sends the queue of one app: when nothing is under way at once, otherwise in batches that fill meanwhile. The background
 * is sent when nothing else can be, leaves a connection and tokens free, and shares no request with the others.
 */
export class Dispatcher {
  readonly queue: EventQueue
  readonly #deps: DispatcherDependencies
  readonly #options: DispatcherOptions
  readonly #sender: EventSender
  readonly #tiers: Readonly<Record<Tier, TierState>>
  #throttles = 0
  /** Requests that Pusher took. */
  #taken = 0
  #isPumpDue = false
  #isDraining = false
  #isStopped = false
  #timer: Disposable | undefined
  #timerDueAt = Infinity
  #whenEmpty: (() => void) | undefined

  constructor(deps: DispatcherDependencies, options: DispatcherOptions) {
    this.#deps = deps
    this.#options = options
    const onReady = (): void => this.#pump()
    this.queue = new EventQueue({ ...deps, onReady, onEmpty: () => this.#whenEmpty?.() }, options)
    const bodies = new RequestBodies((event) => this.queue.lanes.link(event), deps.encrypt)
    this.#sender = new EventSender(deps.transport, bodies)
    this.#tiers = {
      foreground: createTierState('foreground', deps.limiter, options.poolSize),
      background: createTierState('background', deps.limiter.spare, Math.max(1, options.poolSize - 1)),
    }
  }

  /** Accepts all events or, by throwing `queue_full`, none. */
  submit(events: readonly QueuedEvent[]): void {
    this.queue.admit(events)
    // Not now but after the caller's turn: what else it publishes in the same turn goes in the same request.
    if (this.#isPumpDue) return
    this.#isPumpDue = true
    queueMicrotask(() => this.#pump())
  }

  /** Sends everything without waiting for company; resolves when nothing is left or `deadlineMs` is over. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true
    this.#pump()
    const stop = new AbortController()
    await Promise.race([this.#empty(), this.#deps.clock.sleep(deadlineMs, stop.signal).catch(() => undefined)])
    stop.abort()
  }

  /** Breaks off what is under way and ends what is left: given back to the outbox, or dead-lettered. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.[Symbol.dispose]()
    this.#deps.limiter.close()
    this.queue.retireAll('stopped')
    await this.#deps.transport.close()
    await this.#empty()
  }

  #empty(): Promise<void> {
    if (this.queue.pending === 0) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenEmpty = resolve
    return promise
  }

  readonly #pump = (): void => {
    this.#isPumpDue = false
    this.#pumpTier(this.#tiers.foreground)
    this.#pumpTier(this.#tiers.background)
  }

  #pumpTier(tier: TierState): void {
    const { breaker } = this.#deps
    while (this.#shouldSend(tier)) {
      const waitMs = breaker.waitMs()
      if (waitMs > 0) return this.#pumpIn(waitMs)
      const wanted = Math.min(this.#options.batchSize, this.queue.lanes.ready(tier.name), tier.tokens.mostAtOnce)
      if (!this.#takeTokens(tier, wanted)) return this.#awaitTokens(tier, wanted)
      const shipment = this.queue.take(wanted, tier.name)
      if (shipment === undefined) return
      breaker.pass()
      tier.inFlight += 1
      this.#deps.tasks.run('pusher.send', () => this.#ship(shipment, wanted, tier))
    }
    if (this.queue.lanes.ready(tier.name) === 0 || !this.#hasFreeConnection(tier)) return
    this.#pumpIn(Math.max(0, this.#options.batchTimeoutMs - this.queue.lanes.longestWaitMs(tier.name)))
  }

  #hasFreeConnection({ isAwaitingTokens, inFlight, mostInFlight }: TierState): boolean {
    const all = this.#tiers.foreground.inFlight + this.#tiers.background.inFlight
    return !this.#isStopped && !isAwaitingTokens && all < this.#options.poolSize && inFlight < mostInFlight
  }

  #shouldSend(tier: TierState): boolean {
    const ready = this.queue.lanes.ready(tier.name)
    if (ready === 0 || !this.#hasFreeConnection(tier)) return false
    if (tier.inFlight === 0 || ready >= this.#options.batchSize || this.#isDraining) return true
    if (tier.name === 'foreground' && this.queue.lanes.isUrgent) return true
    return this.queue.lanes.longestWaitMs(tier.name) >= this.#options.batchTimeoutMs
  }

  /** One timer at a time, the earliest: whatever it was set for, the pump looks at everything. */
  #pumpIn(ms: number): void {
    const dueAt = this.#deps.clock.monotonic() + ms
    if (dueAt >= this.#timerDueAt) return
    this.#timer?.[Symbol.dispose]()
    this.#timerDueAt = dueAt
    this.#timer = this.#deps.clock.schedule(ms, () => {
      this.#timerDueAt = Infinity
      this.#pump()
    })
  }

  #takeTokens(tier: TierState, wanted: number): boolean {
    const missing = wanted - tier.credit
    if (missing > 0 && !tier.tokens.tryTake(missing)) return false
    tier.credit = Math.max(0, -missing)
    return true
  }

  #awaitTokens(tier: TierState, wanted: number): void {
    tier.isAwaitingTokens = true
    this.#deps.statistics.rateLimitWaits += 1
    this.#deps.tasks.run('pusher.rate-limit', async () => {
      const missing = wanted - tier.credit
      if (!(await tier.tokens.take(missing))) return
      tier.credit += missing
      tier.isAwaitingTokens = false
      this.#pump()
    })
  }

  async #ship(shipment: Shipment, paid: number, tier: TierState): Promise<void> {
    // A multi-channel event costs one token a channel, and its width is known only now.
    const owed = shipment.events.length - paid
    if (owed > 0) tier.tokens.charge(owed)
    else tier.credit -= owed
    const answered = await this.#deliver(shipment.events, shipment.form)
    tier.inFlight -= 1
    // Lanes first, ends second: whoever publishes again on hearing of the end finds its lane free, and fills a batch at once.
    this.#putBack(shipment, answered)
    const now = this.#deps.clock.monotonic()
    for (const event of answered.delivered) this.queue.end(event, 'delivered', 'ok', now)
    for (const { event, scope, reason } of answered.refused) {
      if (scope === 'app') {
        event.blame = 'app'
        this.queue.retire(event, reason)
      } else this.queue.end(event, 'dead_lettered', reason)
    }
    // After everybody who waited for this answer: a batch that is not full by then has waited for company long enough.
    setImmediate(this.#pump)
  }

  #putBack(shipment: Shipment, { again, outcome }: Answered): void {
    const { clock, random } = this.#deps
    const now = clock.monotonic()
    const reason = outcome.kind === 'delivered' ? 'ok' : outcome.reason
    for (const event of again) {
      if (this.#isStopped) this.queue.retire(event, 'stopped')
      else if (now >= event.input.deadlineAt) this.queue.expire(event)
      else if (now - event.input.acceptedAt >= this.#options.giveUpAfterMs)
        this.queue.retire(event, `gave_up_${reason}`)
      else this.#deps.statistics.retries += 1
    }
    const isFault = outcome.kind === 'unavailable'
    const failed = new Set(isFault ? again.map((event) => event.input.channel) : [])
    for (const lane of shipment.lanes) {
      if (failed.has(lane.channel)) lane.failures += 1
      else if (outcome.kind !== 'throttled') lane.failures = 0
    }
    const { retryBaseMs, retryMaxMs } = this.#options
    // After a 429 the limiter holds everything back, and no lane has to rest besides.
    this.queue.finish(shipment, again, (failures) =>
      isFault ? retryDelayMs(random, failures, retryBaseMs, retryMaxMs) : 0,
    )
  }

  /**
   * Sends events in one request. Where what a request carries is refused, halves of it are sent one after the other,
   * until the event that it is refused for is alone.
   */
  async #deliver(events: readonly QueuedEvent[], form: Shipment['form']): Promise<Answered> {
    const outcome = await this.#request(events, form)
    const answered = { outcome, delivered: [], refused: [], again: [] }
    if (outcome.kind === 'delivered') {
      if (events.length > 1) this.#deps.statistics.batchEventsSent += events.length
      return { ...answered, delivered: events }
    }
    const isHalved = events.length > 1 && isOfWhatItCarries(outcome)
    if (outcome.kind !== 'refused' && !isHalved) return { ...answered, again: events }
    if (outcome.kind === 'refused' && !isHalved) {
      return { ...answered, refused: events.map((event) => ({ event, ...outcome })) }
    }
    this.#tiers[tierOf(events[0] as QueuedEvent)].tokens.charge(events.length)
    const middle = Math.ceil(events.length / 2)
    const first = await this.#deliver(events.slice(0, middle), 'batch')
    const others = events.slice(middle)
    // The second half may hold later events of the same channels.
    if (first.again.length > 0) return { ...first, again: [...first.again, ...others] }
    const second = await this.#deliver(others, 'batch')
    return {
      ...second,
      delivered: [...first.delivered, ...second.delivered],
      refused: [...first.refused, ...second.refused],
    }
  }

  async #request(events: readonly QueuedEvent[], form: Shipment['form']): Promise<SendOutcome> {
    const { statistics, breaker, limiter } = this.#deps
    const body = this.#sender.write(events, form)
    if (body === undefined) {
      breaker.withdraw()
      return { kind: 'refused', scope: 'event', reason: 'cannot_encode' }
    }
    for (const event of events) event.attempts += 1
    statistics.requests += 1
    statistics.eventsRequested += events.length
    const outcome = await this.#sender.send(body, form)
    if (outcome.kind === 'unavailable' && !(outcome.isTooLarge === true && events.length > 1)) {
      statistics.connectionErrors += 1
      breaker.fail()
      if (outcome.retryAfterMs !== undefined) limiter.pause(outcome.retryAfterMs)
      if (outcome.reason === 'http_500' && events.length === 1) this.#blame(events[0] as QueuedEvent)
      return outcome
    }
    if (outcome.kind === 'delivered') this.#taken += 1
    const wasOpen = breaker.state !== 'closed'
    breaker.succeed()
    if (wasOpen) this.queue.lanes.wakeAll()
    if (outcome.kind === 'throttled') this.#onThrottled(outcome.retryAfterMs)
    else this.#throttles = 0
    return outcome
  }

  /** A 500 speaks of the event only where Pusher takes others meanwhile; 502 to 504 speak of gateways and load. */
  #blame(event: QueuedEvent): void {
    if (event.takenAtFailure !== undefined && this.#taken > event.takenAtFailure) event.blame = 'event'
    event.takenAtFailure = this.#taken
  }

  #onThrottled(retryAfterMs: number | undefined): void {
    const { statistics, limiter, random } = this.#deps
    statistics.rateLimitHits += 1
    const { retryBaseMs, retryMaxMs } = this.#options
    limiter.slowDown()
    limiter.pause(retryAfterMs ?? retryDelayMs(random, this.#throttles, retryBaseMs, retryMaxMs))
    this.#throttles += 1
  }
}
