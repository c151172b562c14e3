import { z } from 'zod'
import type { ApiRouter } from '#server/http/api-router.ts'
import { defineOperation } from '#server/http/operation.ts'
import type { ClassService } from '#server/services/classes.ts'
import type { EnrollmentService } from '#server/services/enrollments.ts'
import {
  ClassChange,
  ClassFields,
  ClassFilter,
  ClassPage,
  ClassRoster,
  ClassView,
  EnrollmentResult,
} from '#server/schemas/class.ts'
import { Id, IdParams } from '#server/schemas/values.ts'

const list = defineOperation({
  method: 'get',
  path: '/classes',
  summary: 'The classes that you may see, by name',
  query: ClassFilter,
  reply: ClassPage,
  problems: [403],
})

const details = defineOperation({
  method: 'get',
  path: '/classes/:id',
  summary: 'A class',
  params: IdParams,
  reply: ClassView,
  problems: [404],
})

const students = defineOperation({
  method: 'get',
  path: '/classes/:id/students',
  summary: 'The active students of a class, by name',
  params: IdParams,
  reply: ClassRoster,
  problems: [403, 404],
})

const create = defineOperation({
  method: 'post',
  path: '/classes',
  summary: 'Create a class',
  body: ClassFields,
  reply: ClassView,
  statuses: [201],
  problems: [403],
})

const change = defineOperation({
  method: 'patch',
  path: '/classes/:id',
  summary: 'Change a class, as long as its version is the one that you saw',
  params: IdParams,
  body: ClassChange,
  reply: ClassView,
  problems: [403, 404, 409],
})

const enroll = defineOperation({
  method: 'post',
  path: '/classes/:id/enrollments',
  summary: 'Enrol one student, or up to a hundred: all of them or none',
  params: IdParams,
  body: z.union([z.strictObject({ studentId: Id }), z.strictObject({ studentIds: z.array(Id).min(1).max(100) })]),
  reply: EnrollmentResult,
  problems: [403, 404, 409],
})

const drop = defineOperation({
  method: 'delete',
  path: '/classes/:id/enrollments/:studentId',
  summary: 'End the enrolment of a student',
  params: IdParams.extend({ studentId: Id }),
  reply: z.object({ classId: z.uuid(), studentId: z.uuid(), status: z.literal('dropped') }),
  problems: [403, 404],
})

export function classRoutes(
  api: ApiRouter,
  { classes, enrollments }: { readonly classes: ClassService; readonly enrollments: EnrollmentService },
): void {
  api.serveEncoded(list, ({ viewer, query }) => classes.list(viewer, query))
  api.serveEncoded(details, ({ viewer, params }) => classes.details(viewer, params.id))
  api.serveEncoded(students, ({ viewer, params }) => classes.students(viewer, params.id))
  api.serve(create, ({ viewer, body }) => classes.create(viewer, body))
  api.serve(change, ({ viewer, params, body }) => classes.change(viewer, params.id, body))
  api.serve(enroll, async ({ viewer, params, body }) => {
    const ids = 'studentId' in body ? [body.studentId] : body.studentIds
    return enrollments.enroll(viewer, params.id, ids)
  })
  api.serve(drop, async ({ viewer, params: { id: classId, studentId } }) => {
    await enrollments.drop(viewer, classId, studentId)
    return { classId, studentId, status: 'dropped' as const }
  })
}
