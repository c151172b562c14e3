import type { Database } from '#optimizations/database/database.ts'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { User } from '#server/entities/user.ts'
import { ServiceError } from './errors.ts'
import type { PasswordHasher } from './password-hasher.ts'
import { createHashOfNobody, isOutdated } from './password.ts'

export interface SignedInUser {
  readonly id: string
  readonly username: string
  readonly displayName: string
  readonly role: User['role']
}

/** From where somebody signs in. */
export interface SignInOrigin {
  /** Groups take turns. */
  readonly group: string
  /** This name has signed in from this address before, and goes first. */
  readonly isKnown: boolean
  readonly signal?: AbortSignal | undefined
}

export interface SignInService {
  /** The user with this name or email address, and this password. Throws invalid_credentials without telling which of the two was wrong. */
  signIn(name: string, password: string, origin: SignInOrigin): Promise<SignedInUser>
  /** The account as it is now; undefined when it is not there any more, or not active. */
  current(userId: string): Promise<Pick<SignedInUser, 'id' | 'role'> | undefined>
}

interface Account extends SignedInUser {
  readonly passwordHash: string
}

const ACCOUNT = 'get_user_by_email'
/** People may give either name; should one's name be another's address, the address counts. */
const ACCOUNT_SQL = `
  select id, username, display_name as "displayName", role, password_hash as "passwordHash" from users
  where (email = $1 or username = $1) and is_active order by email = $1 desc limit 1`
const CURRENT = 'current account'
const SIGNED_IN = 'signed in'
const REHASHED = 'password rehashed'
/** A password that was changed meanwhile stays as it is. */
const REHASHED_SQL = 'update users set password_hash = $2 where id = $1 and password_hash = $3'

export function createSignInService({
  database: { statements },
  hasher,
  tasks,
}: {
  readonly database: Pick<Database, 'statements'>
  readonly hasher: PasswordHasher
  readonly tasks: BackgroundTasks
}): SignInService {
  statements.register(ACCOUNT, ACCOUNT_SQL)
  statements.register(CURRENT, 'select id, role from users where id = $1 and is_active')
  statements.register(SIGNED_IN, 'update users set last_login_at = now() where id = $1')
  statements.register(REHASHED, REHASHED_SQL)
  // Verified in place of a missing user's hash, so that the time of a refusal does not tell whether the name exists.
  const nobody = createHashOfNobody()

  return {
    async signIn(name, password, { group, isKnown: isPreferred, signal }) {
      const [account] = await statements.execute<Account>(ACCOUNT, [name])
      const matches = await hasher.verify(password, account?.passwordHash ?? nobody, { group, isPreferred, signal })
      if (account === undefined || !matches) {
        throw new ServiceError('invalid_credentials', 'The name or the password is wrong.')
      }
      await statements.execute(SIGNED_IN, [account.id])
      const { passwordHash, ...user } = account
      if (isOutdated(passwordHash)) {
        tasks.run('sign-in.rehash', async () => {
          const hash = await hasher.hash(password, { group, isPreferred: false })
          await statements.execute(REHASHED, [account.id, hash, passwordHash])
        })
      }
      return user
    },
    current: async (userId) => (await statements.execute<Pick<SignedInUser, 'id' | 'role'>>(CURRENT, [userId]))[0],
  }
}
