import { z } from 'zod'
import { Count, GradeLevel, GradeQuery, Id, page, PageQuery, Percent, prose, Stamp, text, Version } from './values.ts'

export const ClassView = z.object({
  id: z.uuid(),
  name: z.string(),
  subject: z.string(),
  gradeLevel: GradeLevel,
  room: z.string().nullable(),
  schedule: z.string().nullable(),
  description: z.string().nullable(),
  maxStudents: Count,
  isActive: z.boolean(),
  teacher: z.object({ id: z.uuid(), displayName: z.string() }),
  studentCount: Count,
  version: Version,
})
export type ClassView = z.infer<typeof ClassView>

export const ClassPage = page(ClassView)
export type ClassPage = z.infer<typeof ClassPage>

/** The active students of a class. */
export const ClassRoster = z.object({
  classId: z.uuid(),
  students: z.array(
    z.object({
      id: z.uuid(),
      displayName: z.string(),
      xp: Count,
      level: Count,
      enrolledAt: Stamp,
      finalGrade: Percent.nullable(),
      attendancePct: Percent.nullable(),
    }),
  ),
})
export type ClassRoster = z.infer<typeof ClassRoster>

/** What people write of a class. An admin says whose it is; a teacher's is always their own. */
export const ClassFields = z.strictObject({
  name: text(200),
  subject: text(100),
  gradeLevel: GradeLevel,
  room: text(100).nullable().optional(),
  schedule: text(200).nullable().optional(),
  description: prose(5_000).nullable().optional(),
  maxStudents: z.number().int().min(1).max(1_000).optional(),
  teacherId: Id.optional(),
})
export type ClassFields = z.infer<typeof ClassFields>

export const ClassChange = ClassFields.partial().extend({ version: Version, isActive: z.boolean().optional() })
export type ClassChange = z.infer<typeof ClassChange>

export const ClassFilter = z.strictObject({ subject: text(100).optional(), ...GradeQuery, ...PageQuery })
export type ClassFilter = z.infer<typeof ClassFilter>

export const EnrollmentResult = z.object({
  classId: z.uuid(),
  enrolled: z.array(z.uuid()),
  /** Those who were in the class before. */
  alreadyEnrolled: z.array(z.uuid()),
  studentCount: Count,
  maxStudents: Count,
})
export type EnrollmentResult = z.infer<typeof EnrollmentResult>
