import type { HealthStatus } from '#optimizations/kernel/health.ts'

/** Why a process that stops takes no more requests; it asks nobody for it. */
export const SHUTTING_DOWN = { status: 'unhealthy', reasons: ['the process is shutting down'] } as const

/** What a balancer reads: a degraded service does not take the process out, an unhealthy one does. */
export const statusOfHealth = (status: HealthStatus): 200 | 503 => (status === 'unhealthy' ? 503 : 200)
