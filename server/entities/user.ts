import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'

export const ROLES = ['admin', 'teacher', 'student', 'parent'] as const
export type Role = (typeof ROLES)[number]

const UserSchema = defineEntity({
  name: 'User',
  tableName: 'users',
  indexes: [
    { properties: ['role', 'isActive'] },
    { name: 'users_xp_index', properties: ['xp'], columns: [{ name: 'xp', sort: 'desc' }] },
  ],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    /** Always lower-cased before it is stored. */
    email: p.string().length(320).unique(),
    username: p.string().length(64).unique(),
    /** Never selected unless asked for by name: it belongs in no cache, log or reply. */
    passwordHash: p.string().hidden().lazy(),
    displayName: p.string().length(200),
    role: p.enum(ROLES),
    isActive: p.boolean().default(true),
    xp: p.integer().default(0),
    level: p.integer().default(1),
    streakDays: p.integer().default(0),
    lastLoginAt: p.datetime().nullable(),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    version: p.integer().version(),
  },
})

export class User extends UserSchema.class {}
UserSchema.setClass(User)
