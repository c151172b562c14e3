import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { Health, HealthStatus } from '#optimizations/kernel/health.ts'
import { isChannelList } from './classify-answer.ts'
import type { EventOutbox, OutboxDepth } from './outbox.ts'
import type { OutdatedWebhook } from './webhook-memory.ts'
import type { PublisherShard } from './publisher-shard.ts'

interface HealthSources {
  readonly clock: Clock
  readonly shards: readonly PublisherShard[]
  readonly outbox: EventOutbox | undefined
  readonly relayFault: string | undefined
  readonly outdatedWebhook: OutdatedWebhook | undefined
}

const FULL_QUEUE = 0.8
const OLD_OUTBOX_MS = 60_000
/** One that comes too late is a replay. From so many in a row, told for so long, a clock is wrong. */
const OUTDATED_IN_A_ROW = 3
const OUTDATED_TOLD_MS = 300_000

/** Asks every app for something small, and looks at what waits. Unhealthy: no app answers. Degraded: less than all is well. */
export async function checkPublisherHealth(sources: HealthSources, timeoutMs: number): Promise<Health> {
  const { shards, clock } = sources
  const began = clock.monotonic()
  const [probes, outbox] = await Promise.all([
    Promise.all(shards.map((shard) => probe(shard, timeoutMs))),
    outboxDepth(sources, timeoutMs),
  ])
  const roundTripMs = clock.monotonic() - began
  const silent = probes.filter((reason) => reason !== undefined)
  const reasons = [
    ...silent,
    ...shards.flatMap(shardReasons),
    ...(sources.relayFault === undefined ? [] : [`outbox: ${sources.relayFault}`]),
    ...outbox.reasons,
    ...webhookReasons(sources),
  ]
  const isSilent = silent.length === shards.length
  const status: HealthStatus = isSilent ? 'unhealthy' : reasons.length > 0 ? 'degraded' : 'healthy'
  const details = {
    pending: shards.reduce((sum, shard) => sum + shard.dispatcher.queue.pending, 0),
    ...(outbox.depth === undefined ? {} : { outbox: outbox.depth }),
  }
  return { status, reasons, details, ...(isSilent ? {} : { roundTripMs }) }
}

/** What is wrong with an app, or undefined. */
async function probe({ app, transport }: PublisherShard, timeoutMs: number): Promise<string | undefined> {
  try {
    // A prefix that no channel has: the answer is small however many channels there are.
    const asked = transport.request('GET', '/channels', { filter_by_prefix: 'presence-health-probe-' })
    const { status, body, fault } = await withDeadline(`app ${app.appId}`, timeoutMs, asked)
    const isSuccess = status >= 200 && status < 300
    if (isSuccess && isChannelList(body)) return undefined
    const what = isSuccess ? 'what answers is not Pusher' : `status ${status}`
    return `app ${app.appId}: ${status === 0 ? (fault ?? 'no answer') : what}`
  } catch (error) {
    return describeError(error)
  }
}

function shardReasons({ app, breaker, limiter, dispatcher }: PublisherShard): readonly string[] {
  const reasons: string[] = []
  if (breaker.state !== 'closed') reasons.push(`app ${app.appId}: breaker ${breaker.state}`)
  if (dispatcher.queue.fill > FULL_QUEUE)
    reasons.push(`app ${app.appId}: queue ${Math.round(dispatcher.queue.fill * 100)} % full`)
  if (limiter.isSlowed)
    reasons.push(`app ${app.appId}: slowed down by 429 to ${Math.round(limiter.currentRate)} events/s`)
  return reasons
}

async function outboxDepth(
  { outbox }: HealthSources,
  timeoutMs: number,
): Promise<{ readonly depth: OutboxDepth | undefined; readonly reasons: readonly string[] }> {
  if (outbox === undefined) return { depth: undefined, reasons: [] }
  try {
    const depth = await withDeadline('outbox', timeoutMs, outbox.depth())
    return { depth, reasons: outboxReasons(depth) }
  } catch (error) {
    return { depth: undefined, reasons: [`outbox: ${describeError(error)}`] }
  }
}

function outboxReasons({ oldestAgeMs, deadLettered }: OutboxDepth): readonly string[] {
  const isOld = oldestAgeMs > OLD_OUTBOX_MS
  return [
    ...(isOld ? [`outbox: oldest event waits for ${Math.round(oldestAgeMs / 1_000)} s`] : []),
    ...(deadLettered > 0 ? [`outbox: ${deadLettered} dead letters`] : []),
  ]
}

function webhookReasons({ clock, outdatedWebhook }: HealthSources): readonly string[] {
  if (outdatedWebhook === undefined || outdatedWebhook.inARow < OUTDATED_IN_A_ROW) return []
  if (clock.monotonic() - outdatedWebhook.at > OUTDATED_TOLD_MS) return []
  const seconds = Math.round(Math.abs(outdatedWebhook.ageMs) / 1_000)
  const side = outdatedWebhook.ageMs > 0 ? 'behind' : 'ahead of'
  return [`webhooks: signed ones are refused, because their time is ${seconds} s ${side} our clock`]
}
