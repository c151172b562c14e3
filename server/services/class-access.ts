import type { Database } from '#optimizations/database/database.ts'
import { Enrollment } from '#server/entities/enrollment.ts'
import { SchoolClass } from '#server/entities/school-class.ts'
import type { Role } from '#server/entities/user.ts'

export interface Viewer {
  readonly id: string
  readonly role: Role
}

export interface ClassAccess {
  /**
   * Whether the viewer may see what belongs to the class: an admin always, a teacher their own classes, a student
   * those they are actively enrolled in. Asked of the database each time, so that a revoked enrolment counts at once.
   */
  maySee(viewer: Viewer, classId: string, signal?: AbortSignal): Promise<boolean>
  /** The ids of all classes that `maySee` allows. */
  visibleClasses(viewer: Viewer, signal?: AbortSignal): Promise<'all' | readonly string[]>
}

export function createClassAccess(database: Database): ClassAccess {
  return {
    async maySee({ id, role }, classId, signal) {
      const em = database.fork(signal === undefined ? {} : { signal })
      switch (role) {
        case 'admin':
          return true
        case 'teacher':
          return (await em.count(SchoolClass, { id: classId, teacher: id })) > 0
        case 'student':
          return (await em.count(Enrollment, { schoolClass: classId, student: id, status: 'active' })) > 0
        case 'parent':
          return false
      }
    },

    async visibleClasses({ id, role }, signal) {
      const em = database.fork(signal === undefined ? {} : { signal })
      switch (role) {
        case 'admin':
          return 'all'
        case 'teacher':
          return (await em.find(SchoolClass, { teacher: id }, { fields: ['id'] })).map((row) => row.id)
        case 'student':
          return (await em.find(Enrollment, { student: id, status: 'active' }, { fields: ['schoolClass'] })).map(
            (enrollment) => enrollment.schoolClass.id,
          )
        case 'parent':
          return []
      }
    },
  }
}
