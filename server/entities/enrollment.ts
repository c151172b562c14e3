import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { SchoolClass } from './school-class.ts'
import { User } from './user.ts'

const ENROLLMENT_STATUSES = ['active', 'dropped', 'completed'] as const

const EnrollmentSchema = defineEntity({
  name: 'Enrollment',
  tableName: 'enrollments',
  uniques: [{ properties: ['schoolClass', 'student'] }],
  indexes: [{ properties: ['student', 'status'] }],
  checks: [
    { name: 'enrollments_final_grade_check', expression: 'final_grade::numeric >= 0 and final_grade::numeric <= 100' },
    {
      name: 'enrollments_attendance_pct_check',
      expression: 'attendance_pct::numeric >= 0 and attendance_pct::numeric <= 100',
    },
  ],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    schoolClass: () => p.manyToOne(SchoolClass).ref().deleteRule('cascade'),
    student: () => p.manyToOne(User).ref().deleteRule('cascade'),
    status: p.enum(ENROLLMENT_STATUSES).default('active'),
    enrolledAt: p.datetime().onCreate(() => new Date()),
    droppedAt: p.datetime().nullable(),
    finalGrade: p.float().columnType('double precision').nullable(),
    attendancePct: p.float().columnType('double precision').nullable(),
  },
})

export class Enrollment extends EnrollmentSchema.class {}
EnrollmentSchema.setClass(Enrollment)
