import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'

const PIPELINE = fileURLToPath(new URL('../../.ci/run', import.meta.url))

interface Lanes {
  /** What `npm test` and the containers lane write, as lines of shell. */
  readonly tests: string
  readonly containers: string
}

/** The pipeline itself, with an npm and a containers lane that do nothing but write. */
async function runPipeline({ tests, containers }: Lanes): Promise<{ code: number; lastLine: string | undefined }> {
  const root = test.info().outputPath('clone')
  const programs = join(root, 'programs')
  await mkdir(join(root, '.ci/containers'), { recursive: true })
  await mkdir(programs)
  await cp(PIPELINE, join(root, '.ci/run'))
  const npm = `#!/bin/bash\nif [ "$1" = test ]; then\n${tests}\nfi\n`
  for (const [file, text] of [
    [join(programs, 'npm'), npm],
    [join(root, '.ci/containers/run'), `#!/bin/bash\n${containers}\n`],
  ] as const) {
    await writeFile(file, text)
    await chmod(file, 0o755)
  }
  const inherited = inheritedEnvironment()
  const env = { ...inherited, PATH: [programs, inherited['PATH']].join(delimiter) }
  return new Promise((resolve) => {
    execFile('bash', [join(root, '.ci/run')], { env }, (error, stdout) =>
      resolve({ code: Number(error?.code ?? 0), lastLine: stdout.trim().split('\n').at(-1) }),
    )
  })
}

const passes = `echo '3 passed, 0 failed, 1 skipped'`
const NO_ENGINE = `echo '# NO CONTAINER ENGINE: none answers'`

for (const { title, lanes, code, lastLine } of [
  {
    title: 'lanes that passed are counted together',
    lanes: { tests: passes, containers: passes },
    code: 0,
    lastLine: '6 passed, 0 failed, 2 skipped',
  },
  {
    title: 'a lane of tests that has tested nothing has failed',
    lanes: { tests: `echo '0 passed, 0 failed'`, containers: passes },
    code: 1,
    lastLine: '3 passed, 1 failed, 1 skipped',
  },
  {
    title: 'a lane of tests that counts nothing has failed',
    lanes: { tests: passes, containers: 'true' },
    code: 1,
    lastLine: '3 passed, 1 failed, 1 skipped',
  },
  {
    title: 'without a container engine the containers lane has not failed',
    lanes: { tests: passes, containers: NO_ENGINE },
    code: 0,
    lastLine: '3 passed, 0 failed, 1 skipped',
  },
  {
    title: 'a lane that breaks without a count has failed',
    lanes: { tests: 'exit 3', containers: passes },
    code: 1,
    lastLine: '3 passed, 1 failed, 1 skipped',
  },
]) {
  test(`in the pipeline ${title}`, async () => {
    expect(await runPipeline(lanes)).toEqual({ code, lastLine })
  })
}
