import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { DashboardService } from '#server/services/dashboard.ts'
import type { ReportService } from '#server/services/reports.ts'
import { Activity, Overview, SchoolMetrics } from '#server/schemas/dashboard.ts'

const overview = defineOperation({
  method: 'get',
  path: '/dashboard/overview',
  summary: 'What you should know now; a part that could not be had says so',
  reply: Overview,
  problems: [403],
})

const metrics = defineOperation({
  method: 'get',
  path: '/metrics/dashboard',
  summary: 'The school in numbers; a part that could not be had says so',
  query: z.strictObject({ refresh: z.enum(['true', 'false']).default('false') }),
  reply: SchoolMetrics,
  problems: [403],
})

const activity = defineOperation({
  method: 'get',
  path: '/metrics/activity',
  summary: 'The last 24 hours, hour by hour',
  reply: Activity,
  problems: [403],
})

export function dashboardRoutes(
  api: ApiRouter,
  { dashboard, reports }: { readonly dashboard: DashboardService; readonly reports: ReportService },
): void {
  api.serveEncoded(overview, ({ viewer }) => dashboard.overview(viewer))
  api.serveEncoded(metrics, ({ viewer, query }) => reports.metrics(viewer, { refresh: query.refresh === 'true' }))
  api.serveEncoded(activity, ({ viewer }) => reports.activity(viewer))
}
