import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@playwright/test'
import { ServiceError } from '#fixtures/services/errors.ts'
import { NAMED_HEADINGS, SuiteError } from '#fixtures/troubleshooting.ts'
import { MeasurementError } from '#measurement/errors.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** They throw what the software throws that they stand for, and a server of Pusher's protocol answers its clients. */
const SPEAK_FOR_OTHERS = /^(?:doubles|services\/pusher\/server)\//

/** As GitHub makes anchors: lower case, no punctuation, hyphens for blanks. */
async function anchorsOf(page: string): Promise<readonly string[]> {
  const text = await readFile(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^##+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}

test('every heading that an error message names is on the troubleshooting page', async () => {
  const anchors = await anchorsOf('docs/troubleshooting.md')
  const measurement = (['generator_failed', 'invalid_target'] as const).map(
    (code) => /#([\w-]+)/.exec(new MeasurementError(code, 'x').message)?.[1] ?? '',
  )
  expect([...NAMED_HEADINGS, ...measurement].filter((heading) => !anchors.includes(heading))).toEqual([])
})

test('no error of the suite is without a heading', async () => {
  const root = join(ROOT, 'fixtures')
  const files = (await readdir(root, { recursive: true })).filter((file) => /(?<!\.test|\.contract)\.ts$/.test(file))
  const without: string[] = []
  for (const file of files.filter((one) => !SPEAK_FOR_OTHERS.test(one))) {
    if (/new AppError\(/.test(await readFile(join(root, file), 'utf8'))) without.push(file)
  }
  expect(files.length).toBeGreaterThan(100)
  expect(without).toEqual([])
})

test('a message of one line ends with its heading, a longer one has it in a line of its own, and none has two', () => {
  const first = new ServiceError('exhausted', 'no more')
  expect(new ServiceError('broker', first.message).message).toBe(first.message)
  expect(new ServiceError('no_way', 'nothing there', { heading: 'no-redis' }).message).toBe(
    'nothing there (see docs/troubleshooting.md#no-redis)',
  )
  expect(new SuiteError('broker', 'first\nsecond').message).toBe(
    'first\nsecond\nSee docs/troubleshooting.md#the-services-broker-does-not-answer',
  )
})
