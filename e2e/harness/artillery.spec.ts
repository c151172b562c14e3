import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { exported, runProgram, writeSchoolConfig } from '#fixtures/export/exported-school.ts'
import { installArtillery } from '#fixtures/export/install-artillery.ts'
import { expect, test } from '#fixtures/test.ts'

const ArtilleryReport = z.object({ aggregate: z.object({ counters: z.record(z.string(), z.number()) }) })

for (const { title, path, code, isWrong } of [
  {
    title: 'Artillery runs what was exported, and right replies meet the targets',
    path: '/health/live',
    code: 0,
    isWrong: false,
  },
  {
    title: 'Artillery counts a wrong reply, names its request, and fails',
    path: '/api/v1/nothing',
    code: 1,
    isWrong: true,
  },
]) {
  test(title, async ({ app }) => {
    test.setTimeout(900_000)
    const program = await installArtillery()
    const directory = await exported('artillery', '--config', await writeSchoolConfig(app, path))
    const report = test.info().outputPath('artillery.json')
    const words = [program, 'run', '--output', report, `${directory}/test.json`]
    const ended = await runProgram(process.execPath, words, { ARTILLERY_DISABLE_TELEMETRY: 'true' })
    const { counters } = ArtilleryReport.parse(JSON.parse(await readFile(report, 'utf8'))).aggregate
    expect(ended.code, ended.output).toBe(code)
    expect(counters['vusers.created']).toBe(30)
    expect(counters['hotpath.wrong.other'] ?? 0).toBe(counters['vusers.failed'])
    expect((counters['vusers.failed'] ?? 0) > 0).toBe(isWrong)
    expect(counters['hotpath.wrong.lessons']).toBeUndefined()
  })
}
