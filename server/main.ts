import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { createDrain, type Drain } from '#optimizations/express/drain.ts'
import { createHttpServer, type HttpServer } from '#optimizations/express/http-server.ts'
import { connectRedis } from '#optimizations/express/rate-limit/connect-redis.ts'
import { createRedisTokenStore } from '#optimizations/express/rate-limit/redis-token-store.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { AppError, describeError } from '#optimizations/kernel/errors.ts'
import { CurrentRequest } from '#optimizations/manager/current-request.ts'
import { startOptimizations } from '#optimizations/manager/start-optimizations.ts'
import type { StopReport } from '#optimizations/manager/stop-services.ts'
import type { WarmReport } from '#optimizations/manager/warm.ts'
import { createApp } from '#server/app.ts'
import { answerCommandLine } from '#server/command-line.ts'
import { InvalidEnvironmentError, readConfig, type Config } from '#server/config.ts'
import { entities } from '#server/entities/entities.ts'
import { createAccessTokens } from '#server/http/access-token.ts'
import { logFinding } from '#server/http/log-finding.ts'
import { createLogger } from '#server/http/logger.ts'
import { BodyAllowance } from '#server/http/rate-limit/body-allowance.ts'
import { HeldRefusals } from '#server/http/rate-limit/held-refusals.ts'
import { createRateLimits } from '#server/http/rate-limit/rate-limits.ts'
import { createSignInGuard } from '#server/http/sign-in/create-sign-in-guard.ts'
import { createRedisLeaderboardStore } from '#server/services/leaderboard/redis-leaderboard-store.ts'
import { createEventBuilder } from '#server/services/event-builder.ts'
import { createReplyEncoder } from '#server/services/reply-encoder.ts'
import { createServices } from '#server/services/services.ts'
import { createWarmingPlan } from '#server/warming-plan.ts'

/** In front of everything that is kept in Redis. */
const NAMESPACE = 'hotpath'
/** Of the time of a stop, for requests in flight, the grace included. The rest is for the events. */
const REQUESTS_SHARE = 0.75

/** What a person can act on, in one line; anything else is a fault of ours and keeps its stack. */
function explainStartFailure(error: unknown, config: Config | undefined): string {
  if (error instanceof InvalidEnvironmentError || error instanceof AppError) return describeError(error)
  if (error instanceof Error && 'code' in error && config !== undefined) {
    const address = `${config.host}:${config.port}`
    if (error.code === 'EADDRINUSE')
      return `PORT: ${address} is already in use; set PORT to another, or 0 for any free one`
    if (error.code === 'EACCES') return `PORT: this user may not listen on ${address}; set PORT to another`
    if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
      return `HOST: ${config.host} is no address of this machine`
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

async function listen(server: Server, { host, port }: Config): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { address, port: taken, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`
}

interface Application {
  readonly app: RequestListener
  readonly drain: Drain
  readonly refusals: Pick<HeldRefusals, 'release'>
  warm(): Promise<WarmReport>
  /** In reverse order of use: services finish what they do, events are sent, connections close. */
  stop(deadlineMs: number): Promise<StopReport>
}

interface Stop {
  readonly config: Config
  readonly logger: Logger
  readonly signal: NodeJS.Signals
}

async function startApplication(config: Config, logger: Logger): Promise<Application> {
  const onError = (reason: string, error: unknown): void => logger.warn({ err: error }, reason)
  const requests = new CurrentRequest()
  const { url, poolSize: size, poolOverflow: overflow } = config.database
  const optimizations = await startOptimizations(
    {
      cache: { url: config.redisUrl, namespace: NAMESPACE },
      database: { url, entities, applicationName: 'hotpath', pool: { size, overflow } },
      pusher: { app: config.pusher, callsPerSecond: config.eventsPerSecond },
      optimize: config.optimize,
    },
    { onError, onFinding: (finding) => logFinding(logger, finding), currentRequest: requests },
  )
  const redis = await connectRedis(config.redisUrl)
  const store = createRedisTokenStore(redis, NAMESPACE)
  const limits = createRateLimits(
    { store, onError: (error) => onError('rate limits are not enforced', error) },
    config.rateLimit,
  )
  const refusals = new HeldRefusals(systemClock)
  const bodies =
    config.bodyAllowance === undefined
      ? undefined
      : new BodyAllowance({ clock: systemClock, refusals }, config.bodyAllowance)
  const guard = createSignInGuard(
    {
      redis,
      namespace: NAMESPACE,
      store,
      secret: config.token.secret,
      refusals,
      onError: (error) => onError('wrong passwords are counted by each process alone', error),
    },
    config.guessLimits,
  )
  const leaderboardStore = config.optimize.cache ? createRedisLeaderboardStore(redis, NAMESPACE) : null
  const replies = createReplyEncoder({ isStrict: config.isStrict })
  const events = createEventBuilder({ isStrict: config.isStrict })
  const pusherApp = config.pusher
  const keepsEvents = config.optimize.pusher
  const services = createServices({
    optimizations,
    pusherApp,
    replies,
    events,
    keepsEvents,
    leaderboardStore,
    onError,
  })
  const warmingPlan = createWarmingPlan({ database: optimizations.database, services, requests })
  const drain = createDrain()
  const tokens = createAccessTokens(config.token)
  return {
    app: createApp(
      { logger, tokens, optimizations, services, replies, warmingPlan, drain, requests, limits, guard, bodies },
      config,
    ),
    drain,
    refusals,
    warm: () => optimizations.warm(warmingPlan),
    async stop(deadlineMs) {
      const stopsAt = performance.now() + deadlineMs
      const remainingMs = (): number => Math.max(0, stopsAt - performance.now())
      // What is cut off here are rankings, which are made anew from the database.
      await withDeadline(
        'the stop of the services',
        remainingMs() / 2,
        (async () => services[Symbol.asyncDispose]())(),
      ).catch((error: unknown) => onError('services did not stop in time', error))
      redis.disconnect()
      return optimizations.stop(remainingMs())
    },
  }
}

/** One deadline for all of it, as whoever stops a process has one: the share of the requests, and what they leave. */
async function stop(application: Application, http: HttpServer, { config, logger, signal }: Stop): Promise<void> {
  const { graceMs, timeoutMs } = config.drain
  const stopsAt = performance.now() + timeoutMs
  logger.info({ signal }, 'stopping')
  application.refusals.release()
  const outcome = await application.drain.finish(http, {
    graceMs,
    timeoutMs: timeoutMs * REQUESTS_SHARE,
    onListenerClosed: () => logger.info('listener closed'),
  })
  const { services, abandonedEvents } = await application.stop(Math.max(0, stopsAt - performance.now()))
  logger.info({ signal, outcome, services, abandonedEvents }, 'stopped')
}

async function run(config: Config): Promise<void> {
  const logger = createLogger(config.logLevel)
  // From the first moment, and for good: a second signal must not end what the first one finishes in order.
  const { promise: asked, resolve: ask } = Promise.withResolvers<NodeJS.Signals>()
  process.on('SIGTERM', ask)
  process.on('SIGINT', ask)
  const application = await Promise.race([startApplication(config, logger), asked])
  // Nobody has been told anything yet.
  if (typeof application === 'string') return
  const http = createHttpServer(application.app, { ...config, headsAreCheckedBy: 'listener' })
  try {
    const url = await listen(http.server, config)
    logger.info({ url, optimize: config.optimize }, 'listening')
  } catch (error) {
    await application.stop(0)
    throw error
  }
  if (config.warmsOnStart) {
    // Beside the first requests: who waits for a warm cache asks for `/health/ready` and not for this.
    void application.warm().then(({ groups: _items, ...report }) => logger.info(report, 'cache warmed'))
  }
  await stop(application, http, { config, logger, signal: await asked })
}

const answer = answerCommandLine(process.argv.slice(2))
if (answer !== undefined) {
  process[answer.exitCode === 0 ? 'stdout' : 'stderr'].write(answer.text)
  process.exit(answer.exitCode)
}

let config: Config | undefined
try {
  config = readConfig()
  await run(config)
  process.exit(0)
} catch (error) {
  process.stderr.write(`${explainStartFailure(error, config)}\n`)
  process.exit(1)
}
