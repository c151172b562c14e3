import { Migrator } from '@mikro-orm/migrations'
import { MikroORM } from '@mikro-orm/postgresql'
import { entities } from '#server/entities/entities.ts'
import { Migration20261122Initial } from './migration-20261122-initial.ts'
import { Migration20261123Domain } from './migration-20261123-domain.ts'
import { Migration20261128EventReplay } from './migration-20261128-event-replay.ts'

/** In the order in which they run. Named by hand: a folder scan would depend on the working directory. */
const migrations = [
  { name: '20261122-initial', class: Migration20261122Initial },
  { name: '20261123-domain', class: Migration20261123Domain },
  { name: '20261128-event-replay', class: Migration20261128EventReplay },
]

/** Brings the database at `url` to the newest schema, creating it where it is missing. Safe to call again. */
export async function migrate(url: string): Promise<void> {
  const orm = await MikroORM.init({
    clientUrl: url,
    entities,
    extensions: [Migrator],
    migrations: { migrationsList: migrations, snapshot: false, transactional: true, silent: true },
  })
  try {
    await orm.migrator.up()
  } finally {
    await orm.close()
  }
}
