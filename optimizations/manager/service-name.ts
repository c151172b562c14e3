export const SERVICE_NAMES = ['cache', 'database', 'pusher'] as const
export type ServiceName = (typeof SERVICE_NAMES)[number]

/** Something for each of the three. */
export type PerService<T> = Readonly<Record<ServiceName, T>>

export function perService<T>(of: (name: ServiceName) => T): PerService<T> {
  return { cache: of('cache'), database: of('database'), pusher: of('pusher') }
}
