import type { BenchmarkReport } from '#measurement/benchmark/benchmark-report.ts'
import { runPairedBenchmark, type BenchmarkOptions } from '#measurement/paired-benchmark.ts'
import { parseJsonBody } from '#server/http/json-body.ts'

/** Submissions as they come: ids, sentences, numbers. */
function bodyOf(answers: number): Buffer {
  const id = (at: number): string => `0191f3c2-7d1e-4f6a-9b1c-${String(at).padStart(12, '0')}`
  const answer = (at: number) => ({
    id: id(at),
    questionId: id(at + 1),
    answer: `It is the second of the three, as shown in lesson ${at}`,
    seconds: at * 1.5,
    flags: [true, false, at],
  })
  return Buffer.from(JSON.stringify({ attempt: 1, answers: Array.from({ length: answers }, (_, at) => answer(at)) }))
}

/** What it costs that a body of JSON loses nothing: against decoding and parsing it without a look. */
export async function runBenchmark(options: BenchmarkOptions): Promise<BenchmarkReport> {
  const cases = [
    { size: '1 kB', body: bodyOf(5) },
    { size: '50 kB', body: bodyOf(250) },
  ].map(({ size, body }) => ({
    case: `a body of ${size}, read without loss`,
    comparedWith: 'JSON.parse',
    ratio: 'cost' as const,
    target: '<4x',
    limitedBy: 'one more pass over the text',
    subject: { run: (iterations: number) => repeat(iterations, () => parseJsonBody(body)) },
    reference: { run: (iterations: number) => repeat(iterations, () => JSON.parse(body.toString('utf8')) as unknown) },
  }))
  return await runPairedBenchmark({ name: 'json-body', cases }, options)
}

function repeat(iterations: number, work: () => unknown): void {
  for (let iteration = 0; iteration < iterations; iteration += 1) work()
}
