import { expect, test } from '@playwright/test'
import type { AnswerValue, QuestionType } from '#server/entities/assessment.ts'
import { levelOf } from './experience.ts'
import { gradeAnswers, type GradableQuestion } from './grading.ts'

const question = (type: QuestionType, correctAnswer: AnswerValue | null, points = 10): GradableQuestion => ({
  id: 'q',
  type,
  correctAnswer,
  points,
})

for (const [type, correct, given, isCorrect] of [
  ['single_choice', 'B', 'B', true],
  ['single_choice', 'B', 'b', false],
  ['single_choice', 'B', ['B'], false],
  ['multiple_choice', ['A', 'C'], ['C', 'A'], true],
  ['multiple_choice', ['A', 'C'], ['C', 'A', 'A'], true],
  ['multiple_choice', ['A', 'C'], ['A'], false],
  ['multiple_choice', ['A', 'C'], ['A', 'B', 'C'], false],
  ['multiple_choice', ['A', 'C'], 'A', false],
  ['true_false', false, false, true],
  ['true_false', false, true, false],
  ['true_false', true, 'true', false],
  ['numeric', 0.3, 0.1 + 0.2, true],
  ['numeric', 42, 42.1, false],
  ['numeric', 42, '42', false],
  ['numeric', 0, -0, true],
  ['short_text', 'The Silk Road', '  the  silk\troad ', true],
  ['short_text', 'café', 'cafe\u0301', true],
  ['short_text', 'waves', 'wave', false],
  ['short_text', 'waves', 3, false],
] as const) {
  test(`${type}: ${JSON.stringify(given)} is ${isCorrect ? '' : 'not '}${JSON.stringify(correct)}`, () => {
    const { score, isFinal } = gradeAnswers([question(type, correct)], new Map([['q', given]]))
    expect(score).toBe(isCorrect ? 10 : 0)
    expect(isFinal).toBe(true)
  })
}

test('the per cent are of all points, those of unanswered questions included', () => {
  const questions = [1, 2, 3].map((n) => ({ ...question('true_false', true, n), id: `q${n}` }))
  const grade = gradeAnswers(questions, new Map([['q2', true]]))
  expect(grade).toEqual({ score: 2, maxScore: 6, percent: 33.33, isFinal: true })
})

test('a question that a person has to judge earns nothing yet and keeps the grade open', () => {
  const questions = [question('true_false', true), { ...question('essay', null), id: 'essay' }]
  const answers = new Map<string, AnswerValue>([
    ['q', true],
    ['essay', 'It depends.'],
  ])
  expect(gradeAnswers(questions, answers)).toEqual({ score: 10, maxScore: 20, percent: 50, isFinal: false })
})

test('an assessment without questions is worth 0 per cent and not NaN', () => {
  expect(gradeAnswers([], new Map()).percent).toBe(0)
})

test('levels begin at 1 and rise every hundred points', () => {
  expect([0, 99, 100, 250].map(levelOf)).toEqual([1, 1, 2, 3])
})
