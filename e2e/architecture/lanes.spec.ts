import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { inheritedEnvironment } from '#fixtures/services/environment.ts'

const LANES = fileURLToPath(new URL('../../.ci/lanes', import.meta.url))

interface Machine {
  /** Whether an engine answers. Nobody who runs a lane here may start one. */
  readonly hasEngine?: boolean
  readonly canPull?: boolean
  readonly hasBuiltImages?: boolean
}

interface Ended {
  readonly code: number
  readonly stdout: string
  /** What the lane ran last, with what counts of its environment. */
  readonly run: string | undefined
}

const succeeds = (does: boolean): string => `exit ${does ? 0 : 1}`

/** The lane itself, on a machine that a few programs pretend. There is always a redis-server. */
async function runLane(lane: string, machine: Machine = {}): Promise<Ended> {
  const { hasEngine = true, canPull = true, hasBuiltImages = false } = machine
  const root = test.info().outputPath('clone')
  const programs = join(root, 'programs')
  await mkdir(programs, { recursive: true })
  await cp(LANES, join(root, '.ci/lanes'), { recursive: true })
  const show = `echo "RUN $* SERVICES=$SERVICES POSTGRES_IMAGE=\${POSTGRES_IMAGE:-pinned} REDIS=$(command -v redis-server || echo none)"`
  for (const [name, text] of Object.entries({
    'redis-server': 'exit 1',
    docker: `[ "$1" = image ] && ${succeeds(hasBuiltImages)}\n${succeeds(hasEngine)}`,
    id: 'echo 1000',
    npm: show,
    npx: `case "$*" in *pull-images.ts) ${succeeds(canPull)} ;; *setup.ts*) ;; *) ${show} ;; esac`,
  })) {
    await writeFile(join(programs, name), `#!/bin/bash\n${text}\n`)
    await chmod(join(programs, name), 0o755)
  }
  const inherited = inheritedEnvironment()
  const env = { ...inherited, PATH: [programs, inherited['PATH']].join(delimiter) }
  return new Promise((resolve) => {
    execFile('bash', [join(root, '.ci/lanes', lane)], { env }, (error, stdout) =>
      resolve({
        code: Number(error?.code ?? 0),
        stdout,
        run: stdout.split('\n').find((line) => line.startsWith('RUN ')),
      }),
    )
  })
}

test('the lane embedded runs the tests under coverage, and insists on embedded services', async () => {
  const { code, run } = await runLane('embedded', { hasEngine: false })
  expect(code).toBe(0)
  expect(run).toMatch(/^RUN run coverage SERVICES=embedded .* REDIS=\//)
})

test('the lane auto runs every functional project that uses services, and hides the redis-server', async () => {
  const { code, run } = await runLane('auto')
  expect(code).toBe(0)
  for (const project of ['integration', 'realtime', 'browser', 'resilience']) {
    expect(run).toContain(`--project=${project} `)
  }
  expect(run).toContain(' SERVICES=auto POSTGRES_IMAGE=pinned REDIS=none')
})

test('the lane containers insists on containers', async () => {
  const { code, run } = await runLane('containers')
  expect(code).toBe(0)
  expect(run).toMatch(/^RUN playwright test --project=integration .* SERVICES=containers POSTGRES_IMAGE=pinned /)
})

for (const lane of ['auto', 'containers']) {
  test(`the lane ${lane} takes images that were built before where none can be pulled`, async () => {
    const { code, run } = await runLane(lane, { canPull: false, hasBuiltImages: true })
    expect(code).toBe(0)
    expect(run).toContain(' POSTGRES_IMAGE=hotpath/postgres ')
  })

  test(`the lane ${lane} fails where images can be neither pulled nor built`, async () => {
    const { code, run } = await runLane(lane, { canPull: false })
    expect({ code, run }).toEqual({ code: 1, run: undefined })
  })

  test(`the lane ${lane} says loudly that it has not run where there can be no engine, and has not failed`, async () => {
    const { code, run, stdout } = await runLane(lane, { hasEngine: false })
    expect({ code, run }).toEqual({ code: 0, run: undefined })
    expect(stdout).toMatch(/^# NO CONTAINER ENGINE: none answers, and only root may start one$/m)
    expect(stdout).toContain(`# The lane ${lane} did not run.`)
  })
}
