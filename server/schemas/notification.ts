import { z } from 'zod'
import { Stamp } from './values.ts'

export const NotificationView = z.object({
  id: z.uuid(),
  title: z.string(),
  message: z.string(),
  kind: z.string(),
  data: z.record(z.string(), z.unknown()),
  readAt: Stamp.nullable(),
  createdAt: Stamp,
})
export type NotificationView = z.infer<typeof NotificationView>
