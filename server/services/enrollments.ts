import { randomUUID } from 'node:crypto'
import type { EnrollmentResult } from '#server/schemas/class.ts'
import { cacheTags } from './cache-tags.ts'
import { userChannel } from './channel-names.ts'
import type { ClassAccess, Viewer } from './class-access.ts'
import { notFound, ServiceError } from './errors.ts'
import { notify, uuidArray } from './notifications.ts'
import type { Optimizations, UnitOfWork } from './event-publishing.ts'

export interface EnrollmentService {
  /**
   * Enrols all of them or none; who dropped out before comes back. Throws `conflict` when there is not room for all,
   * `invalid_request` when one of them is no student.
   */
  enroll(viewer: Viewer, classId: string, studentIds: readonly string[]): Promise<EnrollmentResult>
  /** The student is out at once: of what may be read and of what may be subscribed to. */
  drop(viewer: Viewer, classId: string, studentId: string): Promise<void>
}

export interface EnrollmentDeps {
  readonly access: ClassAccess
  /** Told after the commit whose memberships have changed; the reply waits for it. */
  readonly onChange: (change: MembershipChange) => Promise<void>
}

export interface MembershipChange {
  readonly classId: string
  readonly studentIds: readonly string[]
  readonly isDropped: boolean
}

interface LockedClass {
  readonly name: string
  readonly max_students: number
  readonly is_active: boolean
  readonly teacher_id: string
}

const ENROLL_SQL = `
  insert into enrollments (id, school_class_id, student_id, status, enrolled_at)
  select id, ?, student_id, 'active', now() from unnest(?::uuid[], ?::uuid[]) as new (id, student_id)
  on conflict (school_class_id, student_id)
  do update set status = 'active', enrolled_at = excluded.enrolled_at, dropped_at = null`

/** Enrolments of one class follow one another: what is counted behind the lock stays true until the commit. */
async function lockClass({ em }: UnitOfWork, classId: string): Promise<LockedClass> {
  const [found] = await em.execute<LockedClass[]>(
    'select name, max_students, is_active, teacher_id from school_classes where id = ? for update',
    [classId],
  )
  if (found === undefined) throw notFound('class')
  return found
}

/**
 * Locked against an award until the commit: whoever adds experience to one of them afterwards finds the new enrolment,
 * and ends the roster that shows it.
 */
async function requireStudents({ em }: UnitOfWork, studentIds: readonly string[]): Promise<void> {
  const rows = await em.execute<{ id: string }[]>(
    `select id from users where id = any(?::uuid[]) and role = 'student' and is_active order by id for share`,
    [uuidArray(studentIds)],
  )
  const known = new Set(rows.map(({ id }) => id))
  const unknown = studentIds.filter((id) => !known.has(id))
  if (unknown.length > 0) throw new ServiceError('invalid_request', `No active students: ${unknown.join(', ')}.`)
}

interface ChangedClass {
  readonly classId: string
  /** Whose dashboard counts the students. */
  readonly teacherId: string
}

function changed(unit: UnitOfWork, { classId, teacherId }: ChangedClass, studentIds: readonly string[]): void {
  unit.invalidate(cacheTags.roster(classId), cacheTags.schoolClass(classId), cacheTags.classes)
  unit.invalidate(...[teacherId, ...studentIds].map(cacheTags.belonging))
}

export function createEnrollmentService(
  optimizations: Pick<Optimizations, 'transaction'>,
  { access, onChange }: EnrollmentDeps,
): EnrollmentService {
  const enrollIn = async (unit: UnitOfWork, classId: string, asked: readonly string[]): Promise<EnrollmentResult> => {
    const {
      name,
      max_students: maxStudents,
      is_active: isActive,
      teacher_id: teacherId,
    } = await lockClass(unit, classId)
    if (!isActive) throw new ServiceError('conflict', 'The class is not active.')
    await requireStudents(unit, asked)
    const rows = await unit.em.execute<{ student_id: string }[]>(
      `select student_id from enrollments where school_class_id = ? and status = 'active'`,
      [classId],
    )
    const before = new Set(rows.map((row) => row.student_id))
    const enrolled = asked.filter((id) => !before.has(id))
    const studentCount = before.size + enrolled.length
    if (studentCount > maxStudents) {
      throw new ServiceError('conflict', `The class is full: ${before.size} of ${maxStudents} places are taken.`)
    }
    const alreadyEnrolled = asked.filter((id) => before.has(id))
    const result = { classId, enrolled, alreadyEnrolled, studentCount, maxStudents }
    if (enrolled.length === 0) return result

    const ids = uuidArray(enrolled.map(() => randomUUID()))
    await unit.em.execute(ENROLL_SQL, [classId, ids, uuidArray(enrolled)])
    const tell = await notify(unit, enrolled, {
      title: `You are in ${name}`,
      message: `You were enrolled in ${name}.`,
      kind: 'enrollment',
      data: { classId },
    })
    changed(unit, { classId, teacherId }, enrolled)
    for (const studentId of enrolled) {
      await unit.publish(userChannel(studentId), 'enrollment.created', { classId, studentId, name, at: Date.now() })
    }
    await tell()
    return result
  }

  return {
    async enroll(viewer, classId, studentIds) {
      await access.requireManager(viewer, classId)
      // In one order for all: two requests that lock the channels of the same students cannot wait for each other.
      const asked = [...new Set(studentIds)].toSorted()
      const result = await optimizations.transaction((unit) => enrollIn(unit, classId, asked))
      await onChange({ classId, studentIds: result.enrolled, isDropped: false })
      return result
    },

    async drop(viewer, classId, studentId) {
      await access.requireManager(viewer, classId)
      const work = async (unit: UnitOfWork): Promise<void> => {
        const { teacher_id: teacherId } = await lockClass(unit, classId)
        const dropped = await unit.em.execute(
          `update enrollments set status = 'dropped', dropped_at = now()
           where school_class_id = ? and student_id = ? and status = 'active' returning id`,
          [classId, studentId],
        )
        if (dropped.length === 0) throw notFound('enrolment')
        changed(unit, { classId, teacherId }, [studentId])
        await unit.publish(userChannel(studentId), 'enrollment.dropped', { classId, studentId, at: Date.now() })
      }
      await optimizations.transaction(work)
      await onChange({ classId, studentIds: [studentId], isDropped: true })
    },
  }
}
