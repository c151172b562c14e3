/** What ends which entries of the cache: each tag names facts, and every entry made from them carries it. */
export const cacheTags = {
  /** Where the user belongs: the classes that they teach or take, and what is shown of these among their own things. */
  belonging: (userId: string) => `user:${userId}`,
  /** What comes of the user's daily work: progress, submissions, results. */
  work: (userId: string) => `user:${userId}:work`,
  /** Every dashboard: for a change that concerns more people than one invalidation can name. */
  dashboards: 'dashboards',
  notifications: (userId: string) => `user:${userId}:notif`,
  /** Every list of classes. */
  classes: 'classes',
  schoolClass: (classId: string) => `class:${classId}`,
  roster: (classId: string) => `class:${classId}:roster`,
  lesson: (lessonId: string) => `lesson:${lessonId}`,
  assessment: (assessmentId: string) => `assessment:${assessmentId}`,
  results: (assessmentId: string) => `assessment:${assessmentId}:results`,
  /** Every list of content. */
  content: 'content',
  /** The school in numbers. */
  metrics: 'metrics',
  contentItem: (contentId: string) => `content:${contentId}`,
} as const
