import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError, describeError } from '#optimizations/kernel/errors.ts'
import { startOptimizations } from '#optimizations/manager/start-optimizations.ts'
import { createApp } from '#server/app.ts'
import { InvalidEnvironmentError, readConfig, type Config } from '#server/config.ts'
import { entities } from '#server/entities/entities.ts'
import { createAccessTokens } from '#server/http/access-token.ts'
import { answerClientErrors } from '#server/http/client-error.ts'
import { createDrain } from '#server/http/drain.ts'
import { createLogger } from '#server/http/logger.ts'
import { startRateLimits } from '#server/http/rate-limit/start-rate-limits.ts'
import { createRequestTiming } from '#server/http/request-timer.ts'
import { startLeaderboardStore } from '#server/services/leaderboard/redis-leaderboard-store.ts'
import { createServices } from '#server/services/services.ts'
import { createWarmingPlan } from '#server/warming-plan.ts'

// Longer than any client or proxy keeps an idle connection: whoever closes first must not be the server, or a request
// that is on its way meets a reset.
const KEEP_ALIVE_MS = 75_000

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

async function run(config: Config): Promise<void> {
  const logger = createLogger(config.logLevel)
  const timing = createRequestTiming()

  const optimizations = await startOptimizations(
    {
      cache: { url: config.redisUrl, namespace: 'hotpath' },
      database: {
        url: config.database.url,
        entities,
        applicationName: 'hotpath',
        pool: { size: config.database.poolSize, overflow: config.database.poolOverflow },
      },
      pusher: { app: config.pusher },
      optimize: config.optimize,
    },
    { onError: (reason, error) => logger.warn({ err: error }, reason), currentTimer: timing.current },
  )
  const limits = await startRateLimits(
    { url: config.redisUrl, namespace: 'hotpath', ...config.rateLimit },
    { onError: (error) => logger.warn({ err: error }, 'rate limits are not enforced') },
  )

  const services = createServices({
    optimizations,
    pusherApp: config.pusher,
    leaderboardStore: config.optimize.cache
      ? await startLeaderboardStore({ url: config.redisUrl, namespace: 'hotpath' })
      : null,
    onError: (reason, error) => logger.warn({ err: error }, reason),
  })
  const warmingPlan = createWarmingPlan({ database: optimizations.database, services })
  const drain = createDrain()
  const app = createApp(
    {
      logger,
      tokens: createAccessTokens(config.token),
      optimizations,
      services,
      warmingPlan,
      drain,
      timing,
      limits,
    },
    config,
  )

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: config.requestTimeoutMs }, app)
  answerClientErrors(server)
  // Before anybody can know that it listens, and ask it to end.
  const { promise: asked, resolve: ask } = Promise.withResolvers<NodeJS.Signals>()
  process.once('SIGTERM', ask)
  process.once('SIGINT', ask)
  try {
    const url = await listen(server, config)
    logger.info({ url, optimize: config.optimize }, 'listening')
    if (config.warmsOnStart) {
      // Beside the first requests: who waits for a warm cache asks for `/health/ready` and not for this.
      void optimizations.warm(warmingPlan).then(({ groups: _items, ...report }) => logger.info(report, 'cache warmed'))
    }
  } catch (error) {
    await limits[Symbol.asyncDispose]()
    await services[Symbol.asyncDispose]()
    await optimizations.stop(0)
    throw error
  }

  const signal = await asked
  const outcome = await drain.finish(server, config.drain)
  await services[Symbol.asyncDispose]()
  const stopped = await optimizations.stop(config.drain.timeoutMs)
  await limits[Symbol.asyncDispose]()
  logger.info({ signal, outcome, services: stopped.services, abandonedEvents: stopped.abandonedEvents }, 'stopped')
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
