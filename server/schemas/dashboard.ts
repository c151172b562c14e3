import { z } from 'zod'
import { ROLES } from '#server/entities/user.ts'
import { Count, GradeLevel, Percent, Stamp } from './values.ts'

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

export const Overview = z.object({
  role: z.enum(ROLES),
  isComplete: z.boolean(),
  parts: z.union([TeacherParts, StudentParts, AdminParts]),
})
export type Overview = z.infer<typeof Overview>

export const SchoolMetrics = z.object({
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
})
export type SchoolMetrics = z.infer<typeof SchoolMetrics>

const Counts = { submissions: Count, lessons: Count, signIns: Count }

/** The last 24 hours, hour by hour. */
export const Activity = z.object({
  hours: z.array(z.object({ hour: Stamp, ...Counts })).length(24),
  total: z.object(Counts),
})
export type Activity = z.infer<typeof Activity>
