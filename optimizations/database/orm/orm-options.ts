import type { Options } from '@mikro-orm/postgresql'
import { DatabaseError } from '../errors.ts'

/** What the database decides itself, and where each is said instead. */
const TAKEN = {
  entities: 'entities stand beside url',
  clientUrl: 'the address is url',
  host: 'the address is url',
  port: 'the address is url',
  user: 'the address is url',
  password: 'the address is url',
  dbName: 'the address is url',
  ensureDatabase: 'no database is created',
  driver: 'it is what the optimization replaces',
  driverOptions: 'connections are made from url, which takes sslmode and sslrootcert',
  pool: 'pool stands beside url',
  replicas: 'replicas stand beside url',
  preferReadReplicas: 'a fork says replica: true',
  entityManager: 'it is what the optimization replaces',
  onCreateConnection: 'connections are made by a pool of its own',
  onReserveConnection: 'connections are made by a pool of its own',
  sessionContext: 'connections are shared between requests',
} as const satisfies Partial<Record<keyof Options, string>>

export type OrmOptions = Omit<Partial<Options>, keyof typeof TAKEN>

/** The options as they are. JavaScript, and a configuration that is handed on whole, can name what is not taken. */
export function parseOrmOptions(options: OrmOptions): OrmOptions {
  for (const [name, instead] of Object.entries(TAKEN)) {
    if (Reflect.get(options, name) === undefined) continue
    throw new DatabaseError('invalid_option', `orm.${name} is not taken: ${instead}`, { details: { option: name } })
  }
  return options
}
