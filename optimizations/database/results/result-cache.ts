/**
 * Where query results may be kept instead of in this process's memory. What the caller relies on: a value whose load
 * began before an invalidation of one of its tags is never served once that invalidation has resolved.
 */
export interface ResultCache {
  getOrSet<T>(
    key: string,
    load: (context: { doNotKeep(): void }) => Promise<T>,
    options: { readonly ttlMs: number; readonly tags: readonly string[] },
  ): Promise<T>
  invalidateTags(tags: readonly string[]): Promise<unknown>
}
