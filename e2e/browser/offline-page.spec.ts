import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from '@playwright/test'
import { seededSchool } from '#fixtures/data/seed.ts'
import { SEEDED_PASSWORD } from '#fixtures/data/seeded-password.ts'
import { SchoolIndex } from '#fixtures/data/school-index.ts'
import type { App } from '#fixtures/playwright/app-fixtures.ts'
import { startFaultProxy, type FaultProxy } from '#fixtures/services/proxy/fault-proxy.ts'
import { expect, test } from '#fixtures/test.ts'
import { OutboxReplay } from '#optimizations/database/outbox-replay.ts'

/** The page may connect to Pusher as the server names it, and to nothing else: these tests put a proxy between. */
test.use({ bypassCSP: true })

const school = new SchoolIndex(seededSchool())
const REAL_OUTAGE_MS = 120_000

/** A student's page on one of their classes, and how the same student tells of progress from elsewhere. */
async function openClass(
  page: Page,
  { app, student, proxy }: { readonly app: App; readonly student: string; readonly proxy: FaultProxy },
) {
  const { id: classId } = school.classOf(student)
  const { id: lessonId, title } = school.lesson(classId)
  const client = await app.signIn(student)
  const sent: number[] = []
  const report = async (percent: number): Promise<void> => {
    const body = { percent, timeSpentSec: sent.push(percent) }
    expect((await client.put(`/api/v1/lessons/${lessonId}/progress`, body)).status).toBe(200)
  }
  await page.route('**/realtime-config.json', async (route) => {
    const config = (await (await route.fetch()).json()) as object
    await route.fulfill({ json: { ...config, host: '127.0.0.1', port: proxy.port } })
  })
  await page.goto(app.url)
  await page.getByLabel('Name').fill(student)
  await page.getByLabel('Password').fill(SEEDED_PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: title, exact: true }).first().click()
  await expect(page.locator('#channel')).toHaveText(`Joined private-class-${classId}`)
  return { sent, report, channel: `private-class-${classId}` }
}

/** What the page shows of progress, the oldest first. */
async function shownOn(page: Page): Promise<readonly number[]> {
  const texts = await page.locator('#events li[data-event="progress.updated"]').allTextContents()
  return texts.map((text) => Number(/· ([\d.]+) %/.exec(text)?.[1])).toReversed()
}

test('a page that was offline shows every event of that time, once and in order, before what comes then', async ({
  app,
  page,
  pusher,
  intensity,
}) => {
  const outageMs = intensity === 1 ? REAL_OUTAGE_MS : 0
  test.setTimeout(90_000 + outageMs)
  await using proxy = await startFaultProxy(`http://${pusher.host}:${pusher.port}`)
  const { sent, report } = await openClass(page, { app, student: 'student11', proxy })
  await report(1)
  await expect.poll(() => shownOn(page)).toEqual(sent)

  const outage = await proxy.inject({ kind: 'refuse' })
  await page.context().setOffline(true)
  proxy.reset()
  await expect(page.locator('#connection')).not.toHaveText(/, connected$/)
  for (let n = 2; n <= 12; n += 1) await report(n)
  await pause(outageMs)
  await outage.end()
  await page.context().setOffline(false)
  // Events go on while the page comes back: some are in the replay, some are live, some are both.
  const progress = { isBack: false }
  const back = expect(page.locator('#connection'))
    .toHaveText(/, connected$/, { timeout: 30_000 })
    .finally(() => (progress.isBack = true))
  while (!progress.isBack && sent.length < 20) {
    await report(sent.length + 1)
    await Promise.race([back, pause(200)])
  }
  await back
  for (let n = 0; n < 5; n += 1) await report(sent.length + 1)
  await expect.poll(() => shownOn(page)).toEqual(sent)
  await expect(page.locator('#events li[data-gap]')).toHaveCount(0)
})

test('a page that was away for longer than events are kept says that something is missing, and goes on', async ({
  app,
  page,
  pusher,
  sql,
}) => {
  test.setTimeout(90_000)
  await using proxy = await startFaultProxy(`http://${pusher.host}:${pusher.port}`)
  const { report, channel } = await openClass(page, { app, student: 'student12', proxy })
  await report(1)
  await expect.poll(() => shownOn(page)).toEqual([1])
  const outage = await proxy.inject({ kind: 'refuse' })
  await page.context().setOffline(true)
  proxy.reset()
  await expect(page.locator('#connection')).not.toHaveText(/, connected$/)
  await report(2)
  // As the server does it when the time of what was delivered is over.
  const outbox = new OutboxReplay(sql)
  await expect.poll(() => outbox.purge(0)).toBeGreaterThan(0)
  await report(3)
  await outage.end()
  await page.context().setOffline(false)
  await expect(page.locator('#events li[data-gap]')).toHaveText(new RegExp(`Something is missing on ${channel}`), {
    timeout: 30_000,
  })
  await expect.poll(() => shownOn(page)).toEqual([1, 3])
  await report(4)
  await expect.poll(() => shownOn(page)).toEqual([1, 3, 4])
  await expect(page.locator('#events li[data-gap]')).toHaveCount(1)
})
