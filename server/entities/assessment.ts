import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { Lesson } from './lesson.ts'
import { SchoolClass } from './school-class.ts'

export const ASSESSMENT_KINDS = ['quiz', 'test', 'exam'] as const
export const ASSESSMENT_STATUSES = ['draft', 'published', 'closed'] as const
export type AssessmentStatus = (typeof ASSESSMENT_STATUSES)[number]

/** All but `essay` are objective: they are graded when they are submitted. */
export const QUESTION_TYPES = [
  'single_choice',
  'multiple_choice',
  'true_false',
  'numeric',
  'short_text',
  'essay',
] as const
export type QuestionType = (typeof QUESTION_TYPES)[number]

/** What a student answers: the chosen option, the chosen options, true or false, a number, or text. */
export type AnswerValue = string | number | boolean | readonly string[]

const AssessmentSchema = defineEntity({
  name: 'Assessment',
  tableName: 'assessments',
  indexes: [{ properties: ['schoolClass', 'status', 'dueAt'] }],
  checks: [
    { name: 'assessments_max_score_check', expression: 'max_score >= 0' },
    { name: 'assessments_passing_score_check', expression: 'passing_score >= 0 and passing_score <= 100' },
    { name: 'assessments_max_attempts_check', expression: 'max_attempts > 0' },
  ],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    schoolClass: () => p.manyToOne(SchoolClass).ref().deleteRule('cascade'),
    lesson: () => p.manyToOne(Lesson).ref().nullable().deleteRule('set null').index(),
    title: p.string().length(200),
    kind: p.enum(ASSESSMENT_KINDS),
    /** The sum of the points of its questions. */
    maxScore: p.integer(),
    /** In per cent of the maximum. */
    passingScore: p.integer().default(70),
    maxAttempts: p.integer().default(3),
    timeLimitSec: p.integer().nullable(),
    dueAt: p.datetime().nullable(),
    status: p.enum(ASSESSMENT_STATUSES).default('draft'),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    version: p.integer().version(),
    questions: () => p.oneToMany(AssessmentQuestion).mappedBy('assessment').orderBy({ orderIndex: 'asc' }),
  },
})

const AssessmentQuestionSchema = defineEntity({
  name: 'AssessmentQuestion',
  tableName: 'assessment_questions',
  uniques: [{ properties: ['assessment', 'orderIndex'] }],
  checks: [{ name: 'assessment_questions_points_check', expression: 'points > 0' }],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    assessment: () => p.manyToOne(Assessment).ref().deleteRule('cascade'),
    orderIndex: p.integer(),
    type: p.enum(QUESTION_TYPES),
    prompt: p.text(),
    options: p.json<readonly string[]>(),
    /** Hidden from students, and null where a person has to judge. */
    correctAnswer: p.json<AnswerValue>().nullable().hidden(),
    points: p.integer().default(1),
  },
})

export class Assessment extends AssessmentSchema.class {}
AssessmentSchema.setClass(Assessment)

export class AssessmentQuestion extends AssessmentQuestionSchema.class {}
AssessmentQuestionSchema.setClass(AssessmentQuestion)
