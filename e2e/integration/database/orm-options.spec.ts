import { EntitySchema, MetadataProvider, UnderscoreNamingStrategy, type EntityMetadata } from '@mikro-orm/core'
import { defineEntity, p, type EventSubscriber } from '@mikro-orm/core'
import { Migrator } from '@mikro-orm/migrations'
import { outboxMigration } from '#optimizations/database/outbox-migration.ts'
import { startDatabase } from '#optimizations/database/start-database.ts'
import { expect, test } from '#fixtures/test.ts'

/** As a class with decorators looks before its metadata is read: the types stand elsewhere. */
class Writer {
  id!: number
  firstName!: string
}
const WriterSchema = new EntitySchema<Writer>({
  class: Writer,
  properties: { id: { primary: true, type: 'integer' }, firstName: {} as { type: 'string' } },
})

class TypesFromElsewhere extends MetadataProvider {
  override loadEntityMetadata(meta: EntityMetadata): void {
    for (const property of meta.props) property.type ??= 'string'
  }
}

class LoudNaming extends UnderscoreNamingStrategy {
  override classToTableName(name: string): string {
    return `loud_${super.classToTableName(name)}`
  }
}

const Room = defineEntity({
  name: 'Room',
  tableName: 'rooms',
  properties: { id: p.integer().primary(), owner: p.string() },
})

for (const optimize of [true, false]) {
  test.describe(optimize ? 'optimised' : 'stock', () => {
    test.beforeEach(({ postgres }) => postgres.reset())

    test('metadata provider, naming strategy and schema are those of the application', async ({ postgres }) => {
      await using database = await startDatabase({
        url: postgres.url,
        entities: [WriterSchema],
        optimize,
        orm: { metadataProvider: TypesFromElsewhere, namingStrategy: LoudNaming, schema: 'app' },
      })
      await database.orm.schema.create()
      await database.transaction(async (em) => void em.persist(em.create(Writer, { id: 1, firstName: 'Ada' })))
      expect(await database.query('select first_name from app.loud_writer')).toEqual([{ first_name: 'Ada' }])
      expect((await database.findByPrimaryKey(database.fork(), Writer, 1))?.firstName).toBe('Ada')
      expect((await database.fork().findOneOrFail(Writer, { firstName: 'Ada' })).id).toBe(1)
    })

    test('a global filter holds for finders too, and subscribers are told of a flush', async ({ postgres }) => {
      const told: string[] = []
      const subscriber: EventSubscriber = { afterFlush: async () => void told.push('flushed') }
      await using database = await startDatabase({
        url: postgres.url,
        entities: [Room],
        optimize,
        orm: { filters: { mine: { name: 'mine', cond: { owner: 'me' } } }, subscribers: [subscriber] },
      })
      await database.orm.schema.create()
      await database.transaction(async (em) => {
        em.persist([em.create(Room, { id: 1, owner: 'me' }), em.create(Room, { id: 2, owner: 'other' })])
      })
      expect(told).toContain('flushed')
      expect(await database.findByPrimaryKey(database.fork(), Room, 2)).toBeNull()
      expect((await database.findByPrimaryKey(database.fork(), Room, 1))?.owner).toBe('me')
    })

    test('a filter that is added to an entity manager holds for finders on it and on its forks', async ({
      postgres,
    }) => {
      await using database = await startDatabase({ url: postgres.url, entities: [Room], optimize })
      await database.orm.schema.create()
      await database.query("insert into rooms (id, owner) values (1, 'other')")
      const filtered = database.fork()
      filtered.addFilter({ name: 'mine', cond: { owner: 'me' }, entity: [Room] })
      for (const em of [filtered, filtered.fork()]) expect(await database.findByPrimaryKey(em, Room, 1)).toBeNull()
      expect((await database.findByPrimaryKey(database.fork(), Room, 1))?.owner).toBe('other')
    })

    test("the outbox comes by a migration among the application's, goes with it, and is missed by name", async ({
      postgres,
    }) => {
      await using database = await startDatabase({
        url: postgres.url,
        entities: [Room],
        optimize,
        orm: {
          extensions: [Migrator],
          migrations: { migrationsList: [outboxMigration], snapshot: false, silent: true },
        },
      })
      const missing = { code: 'outbox_missing', message: expect.stringContaining('hotpath_outbox') }
      await expect(database.outbox.requireTable()).rejects.toMatchObject(missing)
      await database.orm.migrator.up()
      await database.outbox.requireTable()
      await database.transaction((em) => database.outbox.append(em, { channel: 'c', event: 'e', data: null }))
      expect((await database.outbox.depth()).waiting).toBe(1)
      await database.orm.migrator.down()
      await expect(database.outbox.requireTable()).rejects.toMatchObject(missing)
    })

    test('an option that the database decides itself is refused by name', async ({ postgres }) => {
      const orm: object = { dbName: 'other' }
      const starting = startDatabase({ url: postgres.url, entities: [Room], optimize, orm })
      await expect(starting).rejects.toMatchObject({
        code: 'invalid_option',
        message: expect.stringContaining('orm.dbName'),
      })
    })
  })
}
