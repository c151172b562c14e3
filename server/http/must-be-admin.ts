import type { Principal } from './access-token.ts'
import { HttpError } from './problem.ts'

/** Throws 403 for everybody else. */
export function mustBeAdmin({ role }: Principal): void {
  if (role !== 'admin') throw new HttpError(403, 'forbidden', 'This is for admins only.')
}
