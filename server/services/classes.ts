import { LockMode, type EntityData, type RequiredEntityData } from '@mikro-orm/core'
import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { EntityManager } from '#optimizations/database/database.ts'
import { Enrollment } from '#server/entities/enrollment.ts'
import { SchoolClass } from '#server/entities/school-class.ts'
import { User } from '#server/entities/user.ts'
import {
  ClassPage,
  ClassRoster,
  ClassView,
  type ClassChange,
  type ClassFields,
  type ClassFilter,
} from '#server/schemas/class.ts'
import { cacheTags } from './cache-tags.ts'
import { classChannel } from './channel-names.ts'
import { requireRole, type ClassAccess, type Member, type Viewer } from './class-access.ts'
import type { Encoded, ReplyEncoder } from './reply-encoder.ts'
import { notFound, ServiceError } from './errors.ts'
import { pageOf, parseCursor, type CursorValues } from './page.ts'
import type { Readings } from './readings.ts'
import { iso } from './stamps.ts'
import type { Optimizations, UnitOfWork } from './event-publishing.ts'

export interface ClassService {
  /** A page of the classes that the viewer may see, by name. */
  list(viewer: Viewer, filter: ClassFilter): Promise<Encoded<ClassPage>>
  details(viewer: Viewer, classId: string): Promise<Encoded<ClassView>>
  /** The active students. For admins and the teacher of the class. */
  students(viewer: Viewer, classId: string): Promise<Encoded<ClassRoster>>
  create(viewer: Viewer, fields: ClassFields): Promise<ClassView>
  /** Throws `conflict` when the class has changed since the version that the change was made for. */
  change(viewer: Viewer, classId: string, change: ClassChange): Promise<ClassView>
}

/** Without a member: of all classes. */
type ClassSearch = {
  readonly member: Member | null
  readonly subject: string | null
  readonly grade: number | null
  readonly after: CursorValues | readonly [null, null]
  readonly limit: number
}

const CLASS_COLUMNS = `
  c.id, c.name, c.subject, c.grade_level as "gradeLevel", c.room, c.schedule, c.description,
  c.max_students as "maxStudents", c.is_active as "isActive", c.version,
  jsonb_build_object('id', t.id, 'displayName', t.display_name) as teacher,
  (select count(*)::int from enrollments e where e.school_class_id = c.id and e.status = 'active') as "studentCount"
  from school_classes c join users t on t.id = c.teacher_id`

const ONE = 'class'
const ONE_SQL = `select ${CLASS_COLUMNS} where c.id = $1`

const LIST = 'classes'
const LIST_SQL = `select ${CLASS_COLUMNS}
  where ($1::uuid[] is null or c.id = any($1)) and ($2::text is null or c.subject = $2)
    and ($3::int is null or c.grade_level = $3) and ($4::text is null or (c.name, c.id) > ($4, $5::uuid))
  order by c.name, c.id limit $6`

const STUDENTS = 'students of class'
const STUDENTS_SQL = `
  select u.id, u.display_name as "displayName", u.xp, u.level, e.enrolled_at as "enrolledAt",
    e.final_grade as "finalGrade", e.attendance_pct as "attendancePct"
  from enrollments e join users u on u.id = e.student_id
  where e.school_class_id = $1 and e.status = 'active' order by u.display_name, u.id`

/** One invalidation has at most 255 tags. */
const MOST_NAMED = 200

async function requireTeacher(em: EntityManager, teacherId: string): Promise<void> {
  const isTeacher = (await em.count(User, { id: teacherId, role: 'teacher', isActive: true })) > 0
  if (!isTeacher) throw new ServiceError('invalid_request', 'teacherId is not the id of an active teacher.')
}

/** What ends the dashboards of a class's students, which name the class. */
async function membersTags(em: EntityManager, classId: string): Promise<readonly string[]> {
  const members = await em.execute<{ id: string }[]>(
    `select student_id as id from enrollments where school_class_id = ? and status = 'active' limit ?`,
    [classId, MOST_NAMED + 1],
  )
  return members.length > MOST_NAMED ? [cacheTags.dashboards] : members.map(({ id }) => cacheTags.belonging(id))
}

async function announce(unit: UnitOfWork, view: ClassView): Promise<void> {
  const { id: classId, name, version } = view
  await unit.publish(classChannel(classId), 'class.updated', { classId, name, version, at: Date.now() })
}

/** The row as it is now, as everybody will see it after the commit. */
async function viewIn(em: EntityManager, classId: string): Promise<ClassView> {
  return em.execute<ClassView>(ONE_SQL.replace('$1', '?'), [classId], 'get')
}

export function createClassService(
  optimizations: Pick<Optimizations, 'database' | 'transaction'>,
  deps: { readonly access: ClassAccess; readonly readings: Readings; readonly replies: ReplyEncoder },
): ClassService {
  const { statements } = optimizations.database
  const { access, readings, replies } = deps
  statements.register(ONE, ONE_SQL)
  statements.register(LIST, LIST_SQL)
  statements.register(STUDENTS, STUDENTS_SQL)

  const one = readings.declare({
    name: 'class',
    ttlMs: TTL_MS.medium,
    tags: (classId) => [cacheTags.schoolClass(classId)],
    load: async (classId: string) => {
      const [row] = await statements.execute<ClassView>(ONE, [classId])
      return row === undefined ? null : replies.encode(ClassView, row)
    },
  })

  const listed = readings.declare({
    name: 'class-list',
    ttlMs: TTL_MS.standard,
    tags: ({ member }) => [cacheTags.classes, ...(member === null ? [] : [cacheTags.belonging(member.id)])],
    load: async ({ member, subject, grade, after, limit }: ClassSearch) => {
      const visible = member === null ? null : await access.visibleClasses(member)
      const values = [visible, subject, grade, ...after, limit + 1]
      const rows = await statements.execute<ClassView>(LIST, values)
      return replies.encode(
        ClassPage,
        pageOf(rows, limit, (row) => [row.name, row.id]),
      )
    },
  })

  const roster = readings.declare({
    name: 'class-students',
    ttlMs: TTL_MS.standard,
    tags: (classId) => [cacheTags.roster(classId)],
    load: async (classId: string) => {
      const rows = await statements.execute<{ enrolledAt: string }>(STUDENTS, [classId])
      const students = rows.map((row) => ({ ...row, enrolledAt: iso(row.enrolledAt) }))
      return replies.encode(ClassRoster, { classId, students })
    },
  })

  const details: ClassService['details'] = async (viewer, classId) => {
    const found = await one(classId)
    if (found === null || !(await access.maySee(viewer, classId))) throw notFound('class')
    return found
  }

  return {
    details,

    async list(viewer, { subject, grade, cursor, limit }) {
      requireRole(viewer, 'admin', 'teacher', 'student')
      const member = viewer.role === 'admin' ? null : { role: viewer.role, id: viewer.id }
      const after = parseCursor(cursor, 'text')
      return listed({ member, subject: subject ?? null, grade: grade ?? null, after, limit })
    },

    async students(viewer, classId) {
      await access.requireManager(viewer, classId)
      // An admin may manage also what is not there.
      await details(viewer, classId)
      return roster(classId)
    },

    async create(viewer, { teacherId: asked, ...fields }) {
      requireRole(viewer, 'admin', 'teacher')
      const teacherId = asked ?? viewer.id
      if (viewer.role === 'teacher' && teacherId !== viewer.id) {
        throw new ServiceError('forbidden', 'A teacher creates classes of their own only.')
      }
      const work = async (unit: UnitOfWork): Promise<ClassView> => {
        await requireTeacher(unit.em, teacherId)
        const created = unit.em.create(SchoolClass, {
          ...fields,
          teacher: teacherId,
        } as RequiredEntityData<SchoolClass>)
        await unit.em.flush()
        unit.invalidate(cacheTags.classes, cacheTags.belonging(teacherId))
        const view = await viewIn(unit.em, created.id)
        await announce(unit, view)
        return view
      }
      return optimizations.transaction(work)
    },

    async change(viewer, classId, { version, teacherId, ...fields }) {
      await access.requireManager(viewer, classId)
      const work = async (unit: UnitOfWork): Promise<ClassView> => {
        // The lock is the one that enrolments take: nobody is enrolled while the capacity shrinks.
        // Without the moments: PostgreSQL has some that no Date holds.
        const found = await unit.em.findOne(SchoolClass, classId, {
          lockMode: LockMode.PESSIMISTIC_WRITE,
          exclude: ['createdAt', 'updatedAt'],
        })
        if (found === null) throw notFound('class')
        if (found.version !== version) {
          throw new ServiceError('conflict', `The class has changed: its version is ${found.version}.`)
        }
        if (fields.maxStudents !== undefined) await requireRoom(unit.em, classId, fields.maxStudents)
        unit.invalidate(cacheTags.schoolClass(classId), cacheTags.classes, cacheTags.belonging(found.teacher.id))
        unit.invalidate(...(await membersTags(unit.em, classId)))
        if (teacherId !== undefined && teacherId !== found.teacher.id) {
          if (viewer.role !== 'admin') throw new ServiceError('forbidden', 'Only an admin gives a class to a teacher.')
          await requireTeacher(unit.em, teacherId)
          unit.invalidate(cacheTags.belonging(teacherId))
        }
        unit.em.assign(found, {
          ...fields,
          ...(teacherId === undefined ? {} : { teacher: teacherId }),
        } as EntityData<SchoolClass>)
        await unit.em.flush()
        const view = await viewIn(unit.em, classId)
        await announce(unit, view)
        return view
      }
      return optimizations.transaction(work)
    },
  }
}

async function requireRoom(em: EntityManager, classId: string, maxStudents: number): Promise<void> {
  const taken = await em.count(Enrollment, { schoolClass: classId, status: 'active' })
  if (taken > maxStudents) throw new ServiceError('conflict', `The class has ${taken} students already.`)
}
