import { randomUUID } from 'node:crypto'
import { defineEntity, p } from '@mikro-orm/core'
import { User } from './user.ts'

const NotificationSchema = defineEntity({
  name: 'Notification',
  tableName: 'notifications',
  // The second is read backwards for the newest first.
  indexes: [{ properties: ['user', 'readAt'] }, { properties: ['user', 'createdAt', 'id'] }],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID()),
    user: () => p.manyToOne(User).ref().deleteRule('cascade'),
    title: p.string().length(200),
    message: p.text(),
    kind: p.string().length(40),
    data: p.json<Readonly<Record<string, unknown>>>(),
    readAt: p.datetime().nullable(),
    createdAt: p.datetime().onCreate(() => new Date()),
  },
})

export class Notification extends NotificationSchema.class {}
NotificationSchema.setClass(Notification)
