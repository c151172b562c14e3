import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { EVENTS, type EventData } from '#server/schemas/events.ts'
import { createEventBuilder } from './event-builder.ts'
import { SchemaMismatchError } from './build-by-schema.ts'

const events = createEventBuilder({ isStrict: false })
const strict = createEventBuilder({ isStrict: true })
const ID = '0b0f3c52-1d3a-4a57-9c5e-6d8f5f6a7b8c'
const updated = { classId: ID, name: 'Knots', version: 2, at: 1 }
const withSecret: EventData<'class.updated'> = Object.assign({ secret: 's3cret' }, updated)
const notification: EventData<'notification.new'> = {
  id: ID,
  title: 'You are in',
  message: 'You were enrolled.',
  kind: 'enrollment',
  createdAt: '2026-11-28T09:00:00.000Z',
  data: Object.assign({ secret: 's3cret' }, { classId: ID }),
}

test('a member that the table does not list does not leave, at any depth', () => {
  expect(events.build('class.updated', withSecret)).toEqual(updated)
  expect(events.build('notification.new', notification).data).toEqual({ classId: ID })
  const message = Object.assign({ secret: 's3cret' }, { from: ID, data: { text: 'hello' } })
  expect(events.buildPeoples('typing.started', message)).toEqual({ from: ID, data: { text: 'hello' } })
})

test('a strict builder refuses such a member, and shows neither its name nor its value', () => {
  for (const build of [
    () => strict.build('class.updated', withSecret),
    () => strict.build('notification.new', notification),
    () => strict.buildPeoples('typing.started', Object.assign({ secret: 's3cret' }, { from: ID, data: {} })),
  ]) {
    expect(build).toThrow(SchemaMismatchError)
    expect(build).not.toThrow(/s3cret|secret/)
  }
  expect(strict.build('class.updated', updated)).toEqual(updated)
})

test('what does not fit is refused by the path of its fault, without the value', () => {
  const build = () => events.build('class.updated', { ...updated, version: 's3cret' as unknown as number })
  expect(build).toThrow(/class\.updated.*version \(invalid_type\)/)
  expect(build).not.toThrow(/s3cret/)
})

for (const name of ['class.deleted', 'constructor', '__proto__']) {
  test(`an event that is not in the table does not leave: ${name}`, () => {
    expect(() => events.build(name as 'class.updated', updated)).toThrow(SchemaMismatchError)
  })
}

test('the table, the code that publishes and the table of the documentation name the same events', () => {
  const folder = new URL('.', import.meta.url)
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
  // The second argument of publish(): the first one is an expression without quotes.
  const published = sources.flatMap((source) =>
    [...source.matchAll(/\.publish\([^']*?, '([^']+)'/g)].map(([, name]) => name),
  )
  const table = new Set(Object.keys(EVENTS))
  expect(new Set(published)).toEqual(table)

  const documentation = readFileSync(new URL('../../docs/server.md', import.meta.url), 'utf8')
  const [, section = ''] = documentation.split('## What each endpoint keeps and tells')
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'))
  const told = rows.flatMap((row) =>
    [...(row.split('|')[4] ?? '').matchAll(/`([a-z]+\.[a-z]+)`/g)].map(([, name]) => name),
  )
  expect(new Set(told)).toEqual(table)
})
