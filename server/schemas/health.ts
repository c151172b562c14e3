import { z } from 'zod'
import { PerService, ProcessFigures, RequestTotals, StartStatus } from './metrics.ts'

const Status = z.enum(['healthy', 'degraded', 'unhealthy'])
const Figure = z.number().nullable().catch(null)

export const Liveness = z.object({ status: z.literal('healthy') })

/** What a load balancer needs to know, for whoever asks: no reason, because reasons name addresses. */
export const Readiness = z.object({
  status: Status,
  services: PerService(z.object({ status: Status })).optional(),
})

/** The same for whoever may inspect the server: with the reasons. */
export const ExplainedReadiness = z.object({
  status: Status,
  reasons: z.array(z.string()).readonly(),
  services: PerService(
    z.object({ status: Status, reasons: z.array(z.string()).readonly(), roundTripMs: Figure.optional() }),
  ).optional(),
})

const CacheDetails = z.object({
  breaker: z.string(),
  inFlight: Figure,
  isMemoryServed: z.boolean(),
  seesForeignWrites: z.boolean(),
  version: z.string(),
  memory: z.object({
    usedBytes: Figure,
    peakBytes: Figure,
    maxBytes: Figure,
    fragmentationRatio: Figure,
    evictionPolicy: z.string(),
  }),
  connections: z.object({ connectedClients: Figure, blockedClients: Figure }),
  evictedKeys: Figure,
  expiredKeys: Figure,
})

const PusherDetails = z.object({
  pending: Figure,
  outbox: z.object({ waiting: Figure, oldestAgeMs: Figure, deadLettered: Figure }).optional(),
})

/** Of an optimisation that is switched off. */
const OffDetails = z.object({ mode: z.string() })

/** Details that are none of these are left out: a part that has changed does not make health fail. */
const Details: z.ZodType<Readonly<Record<string, unknown>>> = z
  .union([CacheDetails, PusherDetails, OffDetails])
  .catch({ mode: 'unknown' })

const ServiceHealth = z.object({
  status: Status,
  reasons: z.array(z.string()).readonly(),
  roundTripMs: Figure.optional(),
  details: Details.optional(),
})

/** How well each service does its work: the start, live probes, and what was counted. */
export const PerformanceHealth = z.object({
  status: Status,
  reasons: z.array(z.string()).readonly(),
  services: PerService(ServiceHealth),
  optimizationEnabled: PerService(z.boolean()),
  start: StartStatus,
  requests: RequestTotals,
  process: ProcessFigures,
  timestamp: z.string(),
})
