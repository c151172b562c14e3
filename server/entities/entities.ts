import { Enrollment } from './enrollment.ts'
import { LessonProgress } from './lesson-progress.ts'
import { Lesson } from './lesson.ts'
import { SchoolClass } from './school-class.ts'
import { User } from './user.ts'

/** Listed by hand: discovery by folder would depend on the working directory and load test files. */
export const entities = [User, SchoolClass, Enrollment, Lesson, LessonProgress]
