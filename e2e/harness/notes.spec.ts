import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadConfig } from '#fixtures/backend/load-config.ts'
import { startBackend } from '#fixtures/backend/start-backend.ts'
import { PROJECT_ROOT } from '#fixtures/command-line/project-root.ts'
import { verifyBackend, type Verified } from '#fixtures/playwright/inner-verify.ts'
import { expect, test } from '#fixtures/test.ts'
import type { Measurement } from '#measurement/measurement.ts'

const NOTES = join(PROJECT_ROOT, 'fixtures/examples/notes/hotpath.config.mjs')

interface VerifyOptions {
  /** Of the example: what goes wrong in it. */
  readonly faults?: string
  readonly grep?: string
  /** The example's own by default. */
  readonly config?: string
  readonly variables: Readonly<Record<string, string>>
}

const verifyNotes = ({ faults = '', config = NOTES, variables, ...options }: VerifyOptions): Promise<Verified> =>
  verifyBackend(config, { ...options, variables: { ...variables, FAULTS: faults } })

const LOAD = 'requests a second'
const WRONG = 'did not return what they should'

/** A machine that works for somebody else voids times, and says so; what was answered and what arrived it voids not. */
const isOfTheMachine = ({ verdict, reason }: Measurement): boolean =>
  verdict === 'invalid' && /machine was busy|generator was late|offered rate|no steady state/.test(reason)

test('the notes as they are: every reply is right, every event arrives once, the page answers', async ({
  ownServices,
}) => {
  test.setTimeout(240_000)
  const { code, output, find } = await verifyNotes({ variables: ownServices.variables })
  expect(output).not.toContain(WRONG)
  expect(find('own.load.errors').value).toBe(0)
  expect(find('own.events.reach')).toMatchObject({ value: 1, verdict: 'pass' })
  expect(find('own.events.duplicates')).toMatchObject({ value: 0, verdict: 'pass' })
  expect(find('own.page.latency.p95').n).toBeGreaterThan(50)
  // Nothing is broken; whether the times are met is for a machine at rest.
  expect([0, 1, 2, 3]).toContain(code)
})

test('each twentieth answer is slow: the P99 is', async ({ ownServices }) => {
  test.setTimeout(240_000)
  // A quick run sends some hundred requests: too few to tell a P99 that is missed from chance.
  const variables = { ...ownServices.variables, VERIFY: 'normal' }
  const { code, find } = await verifyNotes({ faults: 'slow', grep: LOAD, variables })
  const p99 = find('own.load.latency.p99')
  expect(p99.value).toBeGreaterThan(1_000)
  expect(isOfTheMachine(p99) ? 'fail' : p99.verdict).toBe('fail')
  expect([1, 3]).toContain(code)
})

for (const { faults, what, fault } of [
  { faults: 'wrong', what: 'each tenth note is another one', fault: 'read a note: another note' },
  { faults: 'error', what: 'each tenth list is a 500', fault: 'list notes: status 500' },
]) {
  test(`${what}: the verdict names it`, async ({ ownServices }) => {
    test.setTimeout(240_000)
    const { code, find } = await verifyNotes({ faults, grep: LOAD, variables: ownServices.variables })
    const p95 = find('own.load.latency.p95')
    expect(p95.verdict).toBe('invalid')
    expect(p95.reason).toContain(`${WRONG}, most often "${fault}"`)
    expect(find('own.load.errors').value).toBeGreaterThan(0.02)
    expect([1, 3]).toContain(code)
  })
}

test('each tenth event is lost: the reach is missed', async ({ ownServices }) => {
  test.setTimeout(240_000)
  const { code, find } = await verifyNotes({ faults: 'lost', grep: 'event for', variables: ownServices.variables })
  const reach = find('own.events.reach')
  expect(reach.verdict).toBe('fail')
  expect(reach.value).toBeGreaterThan(0.8)
  expect(reach.value).toBeLessThan(0.95)
  expect(code).toBe(1)
})

test('one that runs already is verified where no service of this machine may be used, and its events are heard', async () => {
  test.setTimeout(240_000)
  await using running = await startBackend(await loadConfig(NOTES), { directory: dirname(NOTES) })
  const { key, host, port, useTls } = running.given.pusher
  const config = test.info().outputPath('hotpath.config.mjs')
  await writeFile(
    config,
    `import notes from ${JSON.stringify(NOTES)}
     const { data, page, ...described } = notes
     const events = { ...notes.events, clock: 'tester', pusher: ${JSON.stringify({ key, host, port, useTls })} }
     export default { ...described, server: { url: '${running.url}' }, events }`,
  )
  // Whatever would be started is refused.
  const { output, find } = await verifyNotes({ config, variables: { SERVICES: 'external' } })
  expect(output).not.toContain('services:')
  expect(output).not.toContain(WRONG)
  expect(find('own.load.errors').value).toBe(0)
  expect(find('own.events.reach')).toMatchObject({ value: 1, verdict: 'pass' })
})

test('rising load, a comparison with another start of the notes, and growth are measured where the config says so', async ({
  ownServices,
}) => {
  test.setTimeout(240_000)
  const config = test.info().outputPath('hotpath.config.mjs')
  const directory = JSON.stringify(dirname(NOTES))
  await writeFile(
    config,
    `import notes from ${JSON.stringify(NOTES)}
     const { events, page, ...described } = notes
     export default {
       ...described,
       server: { ...notes.server, cwd: ${directory} },
       data: { sql: [${directory} + '/schema.sql'] },
       saturation: { users: [2, 5], targets: { p95: '<5s' } },
       compare: { name: 'slow', env: { FAULTS: 'slow' }, targets: { p95: 1 }, users: 4 },
       growth: { heapMiB: 50, handles: 50, memoryMiB: 200 },
     }`,
  )
  const { output, find } = await verifyNotes({ config, variables: ownServices.variables })
  expect(output).not.toContain(WRONG)
  expect(find('own.saturation.last.latency.p95').n).toBeGreaterThan(10)
  expect(find('own.compare.latency.p95').unit).toBe('ratio')
  for (const what of ['heap', 'handles', 'memory']) expect(find(`own.growth.${what}`).verdict, output).toBe('pass')
})
