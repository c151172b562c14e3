import { AppError } from '#optimizations/kernel/errors.ts'
import type { ServiceName } from './service-name.ts'

export type ManagerErrorCode = 'not_started' | 'not_configured' | 'stopped'

export class ManagerError extends AppError<ManagerErrorCode> {}

/** What is asked of a service that was not among the options. */
export function refuseAbsent(name: ServiceName): never {
  throw new ManagerError('not_configured', `The optimizations were started without \`${name}\``)
}
