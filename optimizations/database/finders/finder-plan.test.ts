import { defineEntity, p, type EntitySchema } from '@mikro-orm/core'
import { MikroORM } from '@mikro-orm/postgresql'
import { expect, test } from '@playwright/test'
import { Author, Book, Review, Tag } from '#fixtures/data/library.ts'
import { planFinder, type FinderPlan } from './finder-plan.ts'

const Small = defineEntity({
  name: 'Small',
  tableName: 'small',
  schema: 'other',
  properties: { id: p.smallint().primary() },
})
const Big = defineEntity({ name: 'Big', tableName: 'big', properties: { id: p.bigint().primary() } })
const Text = defineEntity({ name: 'Text', tableName: 'text', properties: { id: p.text().primary() } })
const Dated = defineEntity({ name: 'Dated', tableName: 'dated', properties: { id: p.datetime().primary() } })
const Owned = defineEntity({
  name: 'Owned',
  tableName: 'owned',
  properties: { author: () => p.oneToOne(Author).primary() },
})
const Eager = defineEntity({
  name: 'Eager',
  tableName: 'eager',
  properties: { id: p.integer().primary(), author: () => p.manyToOne(Author).eager() },
})

async function planOf(entity: EntitySchema): Promise<FinderPlan | null> {
  const entities = [Author, Book, Review, Tag, Small, Big, Text, Dated, Owned, Eager]
  const orm = await MikroORM.init({ entities, dbName: 'nowhere', ensureDatabase: false, connect: false } as never)
  return planFinder(orm.getMetadata().get(entity as never) as never, orm.em.getPlatform())
}

test('the row is read with all that the ORM reads, and without what it leaves for later', async () => {
  const plan = await planOf(Author as never)
  expect(plan?.sql).toBe('select "id", "name", "email", "rating", "born", "active" from "authors" where "id" = any($1)')
  expect((await planOf(Book as never))?.sql).toContain('"author_id"')
  expect((await planOf(Small as never))?.sql).toContain('from "other"."small"')
})

test('a key is taken only in the text that the server will answer it in', async () => {
  const cases: readonly (readonly [EntitySchema, unknown, string | null])[] = [
    [Author as never, 7, '7'],
    [Author as never, '7', '7'],
    [Author as never, 7n, '7'],
    [Author as never, -(2 ** 31), '-2147483648'],
    [Author as never, 2 ** 31, null],
    [Author as never, 1.5, null],
    [Author as never, '07', null],
    [Author as never, null, null],
    [Small as never, 32_767, '32767'],
    [Small as never, 32_768, null],
    [Big as never, 2n ** 63n - 1n, '9223372036854775807'],
    [Big as never, 2n ** 63n, null],
    [Text as never, ' spaces ', ' spaces '],
    [Text as never, 5, null],
    [Tag as never, 'ABCDEF00-0000-4000-8000-000000000000', 'abcdef00-0000-4000-8000-000000000000'],
    [Tag as never, '{abcdef00-0000-4000-8000-000000000000}', null],
    [Tag as never, 5, null],
  ]
  for (const [entity, key, text] of cases) expect((await planOf(entity))?.normalize(key), String(key)).toBe(text)
})

test('there is no plan for a key or a row that is more than its columns', async () => {
  for (const entity of [Dated, Owned, Eager]) expect(await planOf(entity as never)).toBeNull()
})
