/** Everybody in the class may subscribe. */
export const classChannel = (classId: string): string => `private-class-${classId}`
/** Only the user may subscribe. */
export const userChannel = (userId: string): string => `private-user-${userId}`
/** Says that content has changed, and nothing of what it says. */
export const CONTENT_CHANNEL = 'private-content-updates'
