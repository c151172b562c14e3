import { AppError } from '#optimizations/kernel/errors.ts'

/** What a use case can refuse. `server/http` gives each code its status. */
export type ServiceErrorCode =
  | 'invalid_credentials'
  | 'sign_in_busy'
  | 'sign_in_failed'
  | 'invalid_request'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'key_reused'
  | 'too_many_events'

export class ServiceError extends AppError<ServiceErrorCode> {}

/** What is hidden from the viewer is as unknown as what never was: the answer tells neither from the other. */
export function notFound(what: string): ServiceError {
  return new ServiceError('not_found', `There is no such ${what}, or it is not yours to see.`)
}
