import { expect, test } from '@playwright/test'
import { assert, constantFrom, property, string } from 'fast-check'
import { analyzeSql } from './sql-analysis.ts'
import { tokenizeSql } from './sql-tokens.ts'

const written = (sql: string): readonly string[] | null => analyzeSql(sql).targets

test('every way to write names its table, whatever is around it', () => {
  const cases: Readonly<Record<string, readonly string[] | null>> = {
    'insert into a (x) values (1)': ['a'],
    'insert into public."A b" select * from other': ['A b'],
    'update only a set x = 1': ['a'],
    'delete from s.a using b where a.id = b.id': ['a'],
    'merge into a using b on true when matched then delete': ['a'],
    'truncate table a, only b*, s.c': ['a', 'b', 'c'],
    'truncate a cascade': null,
    'with x as (insert into a values (1) returning *), y as (update b set z = 1) select * from x': ['a', 'b'],
    'insert into a values (1) on conflict (id) do update set x = 2': ['a'],
    'update set x = 1': ['set'],
    'update $1 set x = 1': null,
    'select * from a for update': [],
    'select * from a for no key update of a': [],
    'create table a (x int)': null,
    'select * into b from a': null,
    'call p()': null,
    'select 1; update a set x = 1': null,
    'set work_mem = 1': [],
    commit: [],
    '': null,
  }
  for (const [sql, tables] of Object.entries(cases)) expect(written(sql), sql).toEqual(tables)
})

test('the kind of a statement is told by what it does and not by its first word alone', () => {
  const kind = (sql: string): string => analyzeSql(sql).kind
  expect(kind('(select 1)')).toBe('read')
  expect(kind('with x as (select 1) select * from x')).toBe('read')
  expect(kind('with x as (delete from a returning *) select * from x')).toBe('write')
  expect(kind('explain analyze insert into a values (1)')).toBe('write')
  expect(kind('start transaction isolation level serializable')).toBe('transaction')
  expect(kind('do $$ begin delete from a; end $$')).toBe('other')
  expect(kind('select 1;')).toBe('read')
  expect(analyzeSql('select 1;').isSingleStatement).toBe(true)
})

test('literals, comments, spacing and list lengths make no other shape, names and operators do', () => {
  const shape = (sql: string): string => analyzeSql(sql).fingerprint
  const same = [
    "select * from a where x in (1, 2, 3) and y = 'it''s' -- why",
    "SELECT  * from a /* nested /* comment */ */ where x in ($1,$2) and y = E'\\'x'",
    'select * from a where x in (0x1f) and y = $tag$ any ; text $tag$',
    "select * from a where x in (1.5e3, .5) and y = U&'x'",
  ]
  for (const sql of same) expect(shape(sql)).toBe('select * from a where x in ( ? ) and y = ?')
  expect(shape('insert into a values (1, 2), (3, 4)')).toBe(shape('insert into a values (1, 2)'))
  expect(shape('select "A""b" from x')).toBe('select "A""b" from x')
  expect(shape('select a from x')).not.toBe(shape('select "A" from x'))
  expect(shape(`select ${'a, '.repeat(5_000)} b`).length).toBe(4_000)
})

test('a parameter alone in an order or a group is found, because a number there would be a position', () => {
  const positional = (sql: string): boolean => analyzeSql(sql).hasPositionalParameter
  for (const sql of [
    'select a from x order by $1',
    'select a from x order by a, $1 desc',
    'select a from x group by $1, a',
    'select distinct on ($1) a from x',
    'select distinct on (a, $1) a from x',
  ]) {
    expect(positional(sql), sql).toBe(true)
  }
  for (const sql of [
    'select a from x order by a limit $1 offset $2',
    'select a from x order by f(a, $1)',
    'select a from (select b from y order by b) z, w where c = $1',
    'select a from x where b = $1',
  ]) {
    expect(positional(sql), sql).toBe(false)
  }
})

test('parameters in quotes and comments are none, and functions and locks are seen', () => {
  expect(analyzeSql('select \'$1\', "$2", $3 -- $4').parameters).toBe(1)
  expect(analyzeSql('select f (1), g(2) from h').functions).toEqual(['f', 'g'])
  expect(analyzeSql('select * from a for share').locksRows).toBe(true)
  expect(analyzeSql('select * from a').locksRows).toBe(false)
})

test('no text makes the tokenizer throw, loop or lose a parenthesis', () => {
  assert(
    property(string({ unit: constantFrom(...'ab1.\'"$?();/*-\\ \nEU&'.split('')) }), (sql) => {
      const tokens = tokenizeSql(sql)
      expect(tokens.every(({ text }) => text.length > 0 || sql.includes('""'))).toBe(true)
      expect(analyzeSql(sql).fingerprint).toBe(analyzeSql(sql).fingerprint)
    }),
    { numRuns: 500 },
  )
  expect(tokenizeSql("select 'unfinished").map(({ text }) => text)).toContain('unfinished')
  expect(tokenizeSql('a /* unfinished')).toHaveLength(1)
  expect(tokenizeSql('a $x$ unfinished').at(-1)?.kind).toBe('value')
})
