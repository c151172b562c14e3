import type { Database } from '#optimizations/database/database.ts'
import type { User } from '#server/entities/user.ts'
import { ServiceError } from './errors.ts'
import { hashPassword, verifyPassword } from './password.ts'

export interface SignedInUser {
  readonly id: string
  readonly username: string
  readonly displayName: string
  readonly role: User['role']
}

export interface SignInService {
  /** The user with this name or email address, and this password. Throws invalid_credentials without telling which of the two was wrong. */
  signIn(name: string, password: string): Promise<SignedInUser>
}

interface Account extends SignedInUser {
  readonly passwordHash: string
}

const ACCOUNT = 'get_user_by_email'
/** People may give either name; should one's name be another's address, the address counts. */
const ACCOUNT_SQL = `
  select id, username, display_name as "displayName", role, password_hash as "passwordHash" from users
  where (email = $1 or username = $1) and is_active order by email = $1 desc limit 1`
const SIGNED_IN = 'signed in'

export function createSignInService(database: Database): SignInService {
  const { statements } = database
  statements.register(ACCOUNT, ACCOUNT_SQL)
  statements.register(SIGNED_IN, 'update users set last_login_at = now() where id = $1')
  // Verified in place of a missing user's hash, so that the time of a refusal does not tell whether the name exists.
  const nobody = hashPassword('')
  return {
    async signIn(name, password) {
      const [account] = await statements.execute<Account>(ACCOUNT, [name])
      const matches = await verifyPassword(password, account?.passwordHash ?? (await nobody))
      if (account === undefined || !matches) {
        throw new ServiceError('invalid_credentials', 'The name or the password is wrong.')
      }
      await statements.execute(SIGNED_IN, [account.id])
      const { passwordHash: _secret, ...user } = account
      return user
    },
  }
}
