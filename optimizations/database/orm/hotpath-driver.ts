import type { Configuration, DriverException } from '@mikro-orm/core'
import { PostgreSqlDriver } from '@mikro-orm/postgresql'
import { AppError } from '#optimizations/kernel/errors.ts'
import { HotpathConnection, type HotpathEngine } from './hotpath-connection.ts'

/** The ORM's driver with our connection in it. The ORM makes the driver itself, so the engine comes by closure. */
export function hotpathDriver(engine: () => HotpathEngine): typeof PostgreSqlDriver {
  return class HotpathDriver extends PostgreSqlDriver {
    constructor(config: Configuration) {
      super(config)
      // `connection` is readonly in the types, and made by the parent from a class that it chose.
      Reflect.set(this, 'connection', new HotpathConnection(engine, config))
    }

    /** What this module and the caller's signal say is said plainly: it is no error of the driver's. */
    override convertException(error: Error): DriverException {
      const isOwn = error instanceof AppError || error instanceof DOMException
      return isOwn ? (error as unknown as DriverException) : super.convertException(error)
    }
  }
}
