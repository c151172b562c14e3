export const SERVICE_NAMES = ['cache', 'database', 'pusher'] as const
export type ServiceName = (typeof SERVICE_NAMES)[number]

/** Something for each of the three, or for each of those that an application has. */
export type PerService<T, Name extends ServiceName = ServiceName> = Readonly<Record<Name, T>>

export function perService<T>(of: (name: ServiceName) => T): PerService<T>
export function perService<T, Name extends ServiceName>(
  of: (name: Name) => T,
  names: readonly Name[],
): PerService<T, Name>
export function perService<T>(of: (name: ServiceName) => T, names: readonly ServiceName[] = SERVICE_NAMES): object {
  return Object.fromEntries(names.map((name) => [name, of(name)]))
}

/** All that the services of these names bring, each with members of its own. */
export type Members<Of extends PerService<object>, Name extends ServiceName> = (
  Name extends ServiceName ? (members: Of[Name]) => void : never
) extends (members: infer All) => void
  ? All
  : never
