import { AppError } from '#optimizations/kernel/errors.ts'

/** What a use case can refuse. `server/http` gives each code its status. */
export type ServiceErrorCode = 'invalid_credentials' | 'forbidden' | 'not_found' | 'conflict'

export class ServiceError extends AppError<ServiceErrorCode> {}
