import { Assessment, AssessmentQuestion } from './assessment.ts'
import { ContentItem } from './content-item.ts'
import { Enrollment } from './enrollment.ts'
import { LessonProgress } from './lesson-progress.ts'
import { Lesson } from './lesson.ts'
import { Notification } from './notification.ts'
import { SchoolClass } from './school-class.ts'
import { Submission } from './submission.ts'
import { User } from './user.ts'

/** Listed by hand: discovery by folder would depend on the working directory and load test files. */
export const entities = [
  User,
  SchoolClass,
  Enrollment,
  Lesson,
  LessonProgress,
  Assessment,
  AssessmentQuestion,
  Submission,
  ContentItem,
  Notification,
]
