import type { AnswerValue, QuestionType } from '#server/entities/assessment.ts'

export interface GradableQuestion {
  readonly id: string
  readonly type: QuestionType
  readonly correctAnswer: AnswerValue | null
  readonly points: number
}

export interface Grade {
  /** The points of the correct answers. */
  readonly score: number
  readonly maxScore: number
  /** 0 to 100, with two decimals. */
  readonly percent: number
  /** False when a question was left for a person to judge: the score can still grow. */
  readonly isFinal: boolean
}

/** Answers in words are compared as people do: letter case, spaces around and between words do not count. */
const normalized = (text: string): string => text.normalize('NFC').trim().replaceAll(/\s+/g, ' ').toLowerCase()

const isTextList = (answer: AnswerValue): answer is readonly string[] => Array.isArray(answer)

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  const expected = new Set(other)
  return new Set(one).size === expected.size && one.every((member) => expected.has(member))
}

function isCorrect({ type, correctAnswer }: GradableQuestion, answer: AnswerValue | undefined): boolean {
  if (answer === undefined || correctAnswer === null) return false
  if (isTextList(correctAnswer)) return isTextList(answer) && isSameSet(answer, correctAnswer)
  if (typeof correctAnswer === 'number') {
    // What was typed as 0.3 may have been computed as 0.1 + 0.2.
    return typeof answer === 'number' && Math.abs(answer - correctAnswer) <= 1e-9 * Math.max(1, Math.abs(correctAnswer))
  }
  if (type === 'short_text' && typeof correctAnswer === 'string') {
    return typeof answer === 'string' && normalized(answer) === normalized(correctAnswer)
  }
  return answer === correctAnswer
}

/** Grades what can be graded without a person. A question without an answer earns nothing. */
export function gradeAnswers(questions: readonly GradableQuestion[], answers: ReadonlyMap<string, AnswerValue>): Grade {
  let score = 0
  let maxScore = 0
  for (const question of questions) {
    maxScore += question.points
    if (isCorrect(question, answers.get(question.id))) score += question.points
  }
  return {
    score,
    maxScore,
    percent: maxScore === 0 ? 0 : Math.round((score / maxScore) * 10_000) / 100,
    isFinal: questions.every(({ correctAnswer }) => correctAnswer !== null),
  }
}
