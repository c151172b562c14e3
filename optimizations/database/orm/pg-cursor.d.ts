/** The package brings no types. It is only handed on to Kysely, which has its own for it. */
declare module 'pg-cursor' {
  import type { PostgresCursorConstructor } from 'kysely'
  const Cursor: PostgresCursorConstructor
  export default Cursor
}
