import { TTL_MS } from '#optimizations/cache/cache-defaults.ts'
import type { Database } from '#optimizations/database/database.ts'
import type { Role } from '#server/entities/user.ts'
import { cacheTags } from './cache-tags.ts'
import { notFound, ServiceError } from './errors.ts'
import type { Readings } from './readings.ts'

export interface Viewer {
  readonly id: string
  readonly role: Role
}

/** Somebody who sees the classes that they belong to: everybody but admins, who see all. */
export type Member = { readonly role: Exclude<Role, 'admin'>; readonly id: string }

export interface ClassAccess {
  /**
   * Whether the viewer may see what belongs to the class: an admin always, a teacher their own classes, a student
   * those they are actively enrolled in, a parent none.
   */
  maySee(viewer: Viewer, classId: string): Promise<boolean>
  /**
   * Resolves where the viewer may change the class and see how its students do: an admin, and its teacher. Throws
   * `forbidden` for other roles, `not_found` for classes of others.
   */
  requireManager(viewer: Viewer, classId: string): Promise<void>
  /** The ids of all classes that `maySee` allows. */
  visibleClasses(viewer: Viewer): Promise<'all' | readonly string[]>
}

/**
 * Every change of a membership ends the entry at once, in all processes. The short life is for the time in which Redis
 * is away and other processes cannot be told.
 */
const MEMBERSHIP_TTL_MS = TTL_MS.short / 2

const CLASSES_OF_TEACHER = 'classes of teacher'
const CLASSES_OF_STUDENT = 'classes of student'

export function createClassAccess(deps: { readonly readings: Readings; readonly database: Database }): ClassAccess {
  const { readings, database } = deps
  database.statements.register(CLASSES_OF_TEACHER, 'select id from school_classes where teacher_id = $1')
  database.statements.register(
    CLASSES_OF_STUDENT,
    `select school_class_id as id from enrollments where student_id = $1 and status = 'active'`,
  )

  const classesOf = readings.declare({
    name: 'classes',
    ttlMs: MEMBERSHIP_TTL_MS,
    tags: ({ id }) => [cacheTags.belonging(id)],
    load: async ({ role, id }: Member) => {
      const statement = role === 'teacher' ? CLASSES_OF_TEACHER : CLASSES_OF_STUDENT
      return (await database.statements.execute<{ id: string }>(statement, [id])).map((row) => row.id)
    },
  })

  const visibleClasses: ClassAccess['visibleClasses'] = async ({ id, role }) => {
    if (role === 'admin') return 'all'
    if (role === 'parent') return []
    return classesOf({ role, id })
  }

  const maySee: ClassAccess['maySee'] = async (viewer, classId) => {
    const visible = await visibleClasses(viewer)
    return visible === 'all' || visible.includes(classId)
  }

  return {
    visibleClasses,
    maySee,
    async requireManager(viewer, classId) {
      requireRole(viewer, 'admin', 'teacher')
      if (!(await maySee(viewer, classId))) throw notFound('class')
    },
  }
}

/** Throws `forbidden` for any other role. */
export function requireRole(viewer: Viewer, ...roles: readonly Role[]): void {
  if (!roles.includes(viewer.role)) {
    throw new ServiceError('forbidden', `This is for the ${roles.length === 1 ? 'role' : 'roles'} ${roles.join(', ')}.`)
  }
}
