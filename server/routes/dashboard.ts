import { z } from 'zod'
import { ROLES } from '#server/entities/user.ts'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { DashboardService } from '#server/services/dashboard.ts'
import type { ReportService } from '#server/services/reports.ts'
import { Count, GradeLevel, Percent, Stamp } from '#server/schemas/values.ts'

/** What a part holds, or that it could not be had. */
const part = (data: z.ZodType) =>
  z.union([
    z.object({ status: z.literal('ok'), data }),
    z.object({ status: z.literal('unavailable'), reason: z.enum(['late', 'failed']) }),
  ])

const Due = z.object({ id: z.uuid(), title: z.string(), classId: z.uuid(), dueAt: Stamp.nullable() })

const TeacherParts = z.object({
  classes: part(
    z.array(
      z.object({ id: z.uuid(), name: z.string(), subject: z.string(), gradeLevel: GradeLevel, studentCount: Count }),
    ),
  ),
  assessments: part(z.array(Due.extend({ submitted: Count, graded: Count }))),
})
const StudentParts = z.object({
  progress: part(
    z.array(
      z.object({ classId: z.uuid(), name: z.string(), lessons: Count, completed: Count, averagePercent: Percent }),
    ),
  ),
  assessments: part(z.array(Due.extend({ maxAttempts: Count, attempts: Count, bestPercent: Percent.nullable() }))),
  standing: part(z.object({ xp: Count, level: Count, streakDays: Count })),
})
const AdminParts = z.object({
  users: part(z.object({ students: Count, teachers: Count, all: Count })),
  school: part(z.object({ classes: Count, enrollments: Count, pendingContent: Count })),
})

const overview = defineOperation({
  method: 'get',
  path: '/dashboard/overview',
  summary: 'What you should know now; a part that could not be had says so',
  reply: z.object({
    role: z.enum(ROLES),
    isComplete: z.boolean(),
    parts: z.union([TeacherParts, StudentParts, AdminParts]),
  }),
  problems: [403],
})

const metrics = defineOperation({
  method: 'get',
  path: '/metrics/dashboard',
  summary: 'The school in numbers; a part that could not be had says so',
  query: z.strictObject({ refresh: z.enum(['true', 'false']).default('false') }),
  reply: z.object({
    generatedAt: Stamp,
    isComplete: z.boolean(),
    parts: z.object({
      users: part(z.object({ all: Count, active: Count, students: Count, teachers: Count })),
      classes: part(z.object({ all: Count, active: Count, enrollments: Count })),
      progress: part(z.object({ all: Count, completed: Count, averagePercent: Percent.nullable() })),
      assessments: part(
        z.object({
          published: Count,
          submissions: Count,
          averagePercent: Percent.nullable(),
          passRate: z.number().min(0).max(1).nullable(),
        }),
      ),
      content: part(z.object({ all: Count, published: Count, views: z.number() })),
    }),
  }),
  problems: [403],
})

const Counts = { submissions: Count, lessons: Count, signIns: Count }

const activity = defineOperation({
  method: 'get',
  path: '/metrics/activity',
  summary: 'The last 24 hours, hour by hour',
  reply: z.object({
    hours: z.array(z.object({ hour: Stamp, ...Counts })).length(24),
    total: z.object(Counts),
  }),
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
