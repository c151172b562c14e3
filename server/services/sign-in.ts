import type { Database } from '#optimizations/database/database.ts'
import { User } from '#server/entities/user.ts'
import { ServiceError } from './errors.ts'
import { hashPassword, verifyPassword } from './password.ts'

export interface SignedInUser {
  readonly id: string
  readonly username: string
  readonly displayName: string
  readonly role: User['role']
}

export interface SignInService {
  /** The user with this name and password. Throws invalid_credentials without telling which of the two was wrong. */
  signIn(username: string, password: string): Promise<SignedInUser>
}

const SIGNED_IN = 'signed in'

export function createSignInService(database: Database): SignInService {
  database.statements.register(SIGNED_IN, 'update users set last_login_at = now() where id = $1')
  // Verified in place of a missing user's hash, so that the time of a refusal does not tell whether the name exists.
  const nobody = hashPassword('')
  return {
    async signIn(username, password) {
      const user = await database
        .fork()
        .findOne(User, { username, isActive: true }, { populate: ['passwordHash'] as const })
      const matches = await verifyPassword(password, user?.passwordHash ?? (await nobody))
      if (user === null || !matches) throw new ServiceError('invalid_credentials', 'The name or the password is wrong.')
      await database.statements.execute(SIGNED_IN, [user.id])
      return { id: user.id, username: user.username, displayName: user.displayName, role: user.role }
    },
  }
}
