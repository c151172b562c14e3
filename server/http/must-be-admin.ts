import { HttpError } from './problem.ts'
import type { Principal } from './request-context.ts'

/** Throws 403 for everybody else. */
export function mustBeAdmin({ role }: Principal): void {
  if (role !== 'admin') throw new HttpError(403, 'forbidden', 'This is for admins only.')
}
