import { LockMode, raw, wrap } from '@mikro-orm/core'
import type { EntityManager } from '#optimizations/database/database.ts'
import { startDatabase } from '#optimizations/database/start-database.ts'
import { Author, Book, Review, Tag, libraryEntities } from '#fixtures/data/library.ts'
import { openLibrary, seedLibrary } from '#fixtures/data/library-database.ts'
import { expect, test } from '#fixtures/test.ts'

type Step = (em: EntityManager, round: number) => Promise<unknown>

const at = (day: number): Date => new Date(Date.UTC(2024, 1, day, 12))
const tagId = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** Reads, each with values that change from round to round, so that a plan is reused with others than it was made for. */
const READS: Readonly<Record<string, Step>> = {
  'find by key': (em, n) => em.find(Author, { id: n }),
  'find one': (em, n) => em.findOne(Book, n),
  'find one that is not there': (em, n) => em.findOne(Book, -n),
  'find in a list': (em, n) => em.find(Author, { id: { $in: [n, n + 1, n + 2] } }),
  'find in a list of another length': (em, n) =>
    em.find(Author, { id: { $in: Array.from({ length: n }, (_, i) => i) } }),
  'find in no list': (em) => em.find(Author, { id: { $in: [] } }),
  'compare text': (em, n) => em.find(Author, { name: { $like: `%${n}` } }, { orderBy: { id: 'asc' } }),
  'compare without case': (em, n) => em.find(Author, { name: { $ilike: `AUTHOR ${n}%` } }, { orderBy: { id: 'asc' } }),
  'match a pattern': (em, n) => em.find(Author, { name: { $re: `r ${n}$` } }, { orderBy: { id: 'asc' } }),
  'compare a fraction': (em, n) => em.find(Author, { rating: { $gte: n / 3 } }, { orderBy: { id: 'asc' } }),
  'compare a whole number with a fraction': (em, n) =>
    em.find(Book, { pages: { $lt: n + 0.5 } }, { orderBy: { id: 'asc' } }),
  'compare a decimal': (em, n) => em.find(Book, { price: { $lte: n * 2.5 } }, { orderBy: { id: 'asc' } }),
  'compare a bigint': (em, n) =>
    em.find(Book, { sold: { $gt: 9_007_199_254_740_993n + BigInt(n) } }, { limit: 3, orderBy: { id: 'asc' } }),
  'compare beyond the type': (em, n) => em.find(Book, { pages: 100_000 * n }),
  'compare a date': (em, n) => em.find(Book, { publishedAt: { $gt: at(29 + n) } }, { orderBy: { id: 'asc' } }),
  'compare a day': (em, n) =>
    em.find(Author, { born: { $lt: `1900-01-${String(10 + n)}` } }, { orderBy: { id: 'asc' } }),
  'compare null': (em) => em.find(Review, { text: null }, { orderBy: { id: 'asc' } }),
  'compare not null': (em, n) => em.find(Review, { text: { $ne: null }, stars: n }, { orderBy: { id: 'asc' } }),
  'compare a boolean': (em, n) => em.find(Author, { active: n % 2 === 0 }, { orderBy: { id: 'asc' } }),
  'compare an enum': (em, n) => em.find(Book, { kind: n % 2 === 0 ? 'poem' : 'essay' }, { orderBy: { id: 'asc' } }),
  'contain in an array': (em, n) => em.find(Book, { keywords: { $contains: [`k${n}`] } }),
  'overlap with an array': (em, n) =>
    em.find(Book, { keywords: { $overlap: [`k${n}`, 'k7'] } }, { orderBy: { id: 'asc' } }),
  'look into json': (em, n) => em.find(Book, { extra: { n } as never }, { orderBy: { id: 'asc' } }),
  'look into json for a boolean': (em, n) =>
    em.find(Book, { extra: { odd: n % 2 === 1 } as never }, { limit: 5, orderBy: { id: 'asc' } }),
  'compare bytes': (em, n) => em.find(Book, { cover: Buffer.from([0, 0, 0, n]) }),
  'or and not': (em, n) =>
    em.find(Author, { $or: [{ id: n }, { $not: { id: { $gt: n + 2 } } }] }, { orderBy: { id: 'asc' } }),
  'across a relation': (em, n) => em.find(Review, { book: { author: { id: n } } }, { orderBy: { id: 'asc' } }),
  'some of a collection': (em, n) =>
    em.find(Author, { books: { $some: { pages: { $gt: 200 + n } } } }, { orderBy: { id: 'asc' } }),
  'none of a collection': (em, n) =>
    em.find(Author, { books: { $none: { pages: { $lt: 200 - n } } } }, { orderBy: { id: 'asc' } }),
  'populate one and many': (em, n) =>
    em.find(Book, { id: { $lte: n } }, { populate: ['author', 'tags', 'reviews'], orderBy: { id: 'asc' } }),
  'populate by query': (em, n) => em.find(Author, { id: n }, { populate: ['books.reviews'], strategy: 'select-in' }),
  'populate a lazy column': (em, n) => em.find(Author, { id: n }, { populate: ['secret'] }),
  'a part of the columns': (em, n) => em.find(Book, { id: n }, { fields: ['title', 'author.name'] }),
  'limit and offset': (em, n) => em.find(Author, {}, { limit: n, offset: n + 1, orderBy: { name: 'desc' } }),
  'find and count': (em, n) => em.findAndCount(Book, { pages: { $gt: n * 10 } }, { limit: 2, orderBy: { id: 'asc' } }),
  count: (em, n) => em.count(Review, { stars: n % 6 }),
  'by cursor': async (em, n) => (await em.findByCursor(Book, { first: n, orderBy: { id: 'asc' }, where: {} })).items,
  'query builder with joins': (em, n) =>
    em
      .createQueryBuilder(Book, 'b')
      .select(['b.id', 'b.title'])
      .leftJoin('b.author', 'a')
      .where({ 'a.id': n })
      .orderBy({ 'b.id': 'asc' })
      .execute(),
  'query builder with groups': (em, n) =>
    em
      .createQueryBuilder(Review, 'r')
      .select(['r.stars', raw('count(*) as n')])
      .where({ id: { $gt: n } })
      .groupBy('r.stars')
      .having({ [raw('count(*)')]: { $gt: n } })
      .orderBy({ 'r.stars': 1 })
      .execute(),
  'query builder with a subquery': (em, n) =>
    em
      .createQueryBuilder(Author, 'a')
      .select('a.id')
      .where({
        id: {
          $in: em
            .createQueryBuilder(Book, 'b')
            .select('b.author')
            .where({ pages: { $gt: n * 20 } })
            .getNativeQuery(),
        },
      })
      .orderBy({ 'a.id': 1 })
      .execute(),
  kysely: (em, n) =>
    em
      .getKysely<{ authors: { id: number; name: string } }>()
      .selectFrom('authors')
      .selectAll()
      .where('id', '=', n)
      .execute(),
  'raw with each type': (em, n) =>
    em.execute('select ? as i, ? as f, ? as t, ? as b, ? as n, ? as big', [
      n,
      n + 0.25,
      `t${n}`,
      n > 2,
      null,
      2 ** 40 + n,
    ]),
  'raw arithmetic': (em, n) =>
    em.execute('select 7 / ? as whole, 7 / ? as broken, ? || ? as text', [n, n + 0.5, 'a', n]),
  'raw null test': (em, n) =>
    em.execute('select ? is null as a, coalesce(?, ?) as b', [n % 2 === 0 ? null : 'x', null, `y${n}`]),
  'raw json': (em, n) => em.execute("select jsonb_build_object('a', ?, 'b', ?) as o", [n, `v${n}`]),
  'raw typed literals': (em, n) => em.execute('select interval ? as i, date ? as d', [`${n} days`, `2024-01-0${n}`]),
  'raw position': (em, n) =>
    em.execute('select id, name from authors where id < 5 order by ? desc, id limit 3', [1 + (n % 2)]),
  'raw group by an expression twice': (em, n) =>
    em.execute('select id % ? as g, count(*) from authors group by id % ? order by 1', [n, n]),
  'raw between': (em, n) => em.execute('select count(*) from books where pages between ? and 7.5', [n]),
  'raw list': (em, n) => em.execute('select id from authors where id in (?) order by id', [[n, n + 3]]),
  'raw operators': (em, n) =>
    em.execute('select extra \\? ? as has, extra @> ?::jsonb as contains from books where id = ?', ['n', { n }, n]),
  'raw identifiers': (em, n) => em.execute('select ?? from ?? where ?? = ?', ['name', 'authors', 'id', n]),
  'raw quoted question': (em, n) => em.execute("select 'why\\?' as q, id from authors where id = ?", [n]),
  'raw case': (em, n) =>
    em.execute('select case when id > ? then ? else ? end as c from authors order by id limit 4', [n, 'big', 'small']),
  'raw without parameters': (em) => em.execute('select count(*) as n, max(born) as d from authors'),
  'raw dates': (em, n) =>
    em.execute('select ?::timestamptz as a, id from books where published_at > ? order by id limit 2', [
      at(n),
      at(n + 28),
    ]),
  'raw union': (em, n) =>
    em.execute("select ? as v union all select 'b' union all select ? order by 1", [`a${n}`, 'c']),
  'raw values': (em, n) => em.execute('select * from (values (?, ?), (?, ?)) as v(a, b)', [n, 'x', n + 1, 'y']),
  'raw aggregate filter': (em, n) =>
    em.execute('select count(*) filter (where stars > ?) as n, avg(stars) from reviews', [n]),
  streamed: async (em, n) => {
    const names: string[] = []
    for await (const author of em.stream(Author, { where: { id: { $lte: n } }, orderBy: { id: 'asc' } }))
      names.push(author.name)
    return names
  },
}

/** Writes, each leaving a state that is compared, in a transaction that is rolled back. */
const WRITES: Readonly<Record<string, Step>> = {
  'insert by flush': async (em, n) => {
    const author = em.create(Author, {
      id: 100 + n,
      name: `O'Brien \\ "${n}"`,
      email: `${n}@new`,
      rating: n + 0.1,
      born: '2000-01-01',
    })
    em.create(Book, {
      id: 200 + n,
      title: 'ünï🎈',
      author,
      kind: 'poem',
      keywords: ['a,b', '"q"', ''],
      extra: { deep: { n, s: "it's" } },
      cover: Buffer.from([n, 255]),
      price: n * 1.1,
      sold: 2n ** 60n,
    })
    await em.flush()
    return await em.execute('select * from books where id = ?', [200 + n])
  },
  'insert many of mixed types': async (em, n) => {
    await em.insertMany(Review, [
      { id: 300, stars: n, text: null, book: 1 },
      { id: 301, stars: n, text: 'x', book: 2 },
      { id: 302, stars: 5, text: `${n}`, book: 3 },
    ])
    return await em.execute('select * from reviews where id >= 300 order by id')
  },
  'update by flush': async (em, n) => {
    const books = await em.find(Book, { id: { $lte: n + 1 } }, { orderBy: { id: 'asc' } })
    for (const book of books) wrap(book).assign({ title: `new ${n}`, price: n / 3, extra: { n }, publishedAt: at(n) })
    await em.flush()
    return await em.execute(
      'select id, title, price, extra, published_at, version from books where id <= ? order by id',
      [n + 1],
    )
  },
  'update of mixed nulls': async (em, n) => {
    const reviews = await em.find(Review, { id: { $lte: 4 } }, { orderBy: { id: 'asc' } })
    for (const [index, review] of reviews.entries()) review.text = (index + n) % 2 === 0 ? null : `t${n}`
    await em.flush()
    return await em.execute('select id, text from reviews where id <= 4 order by id')
  },
  'native update': async (em, n) => [
    await em.nativeUpdate(Author, { id: { $gt: n } }, { name: `n${n}`, rating: n, active: n % 2 === 0 }),
    await em.execute('select name, rating, active from authors order by id'),
  ],
  'native delete': async (em, n) => [await em.nativeDelete(Review, { stars: n % 6 }), await em.count(Review)],
  upsert: async (em, n) => {
    await em.upsert(Author, { id: n, name: `up ${n}`, email: `${n}@example.com` })
    return await em.execute('select id, name, email from authors where id = ?', [n])
  },
  'upsert many': async (em, n) => {
    await em.upsertMany(Tag, [
      { id: tagId(n), name: `tag ${n}!` },
      { id: tagId(90 + n), name: `fresh ${n}` },
    ])
    return await em.execute('select * from tags order by id')
  },
  'change a collection': async (em, n) => {
    const book = await em.findOneOrFail(Book, n, { populate: ['tags'] })
    book.tags.set([em.getReference(Tag, tagId(1 + (n % 5))), em.getReference(Tag, tagId(1 + ((n + 1) % 5)))])
    await em.flush()
    return await em.execute('select * from books_tags where book_id = ? order by tag_id', [n])
  },
  'remove with cascade': async (em, n) => {
    em.remove(em.getReference(Author, n))
    await em.flush()
    return [await em.count(Book), await em.count(Review)]
  },
  'query builder update with an expression': async (em, n) => [
    await em
      .createQueryBuilder(Book)
      .update({ pages: raw('pages + ?', [n]) })
      .where({ id: n })
      .execute(),
    await em.execute('select pages from books where id = ?', [n]),
  ],
  'query builder insert with conflict': async (em, n) =>
    await em
      .createQueryBuilder(Tag)
      .insert({ id: tagId(n), name: `c${n}` })
      .onConflict('id')
      .merge()
      .returning('*')
      .execute(),
  locks: async (em, n) => await em.find(Author, { id: n }, { lockMode: LockMode.PESSIMISTIC_WRITE }),
  'raw insert and select': async (em, n) =>
    await em.execute('insert into tags (id, name) select ?::uuid, ? || name from tags where name = ? returning *', [
      tagId(60 + n),
      'copy ',
      `tag ${n}`,
    ]),
  'raw delete using a list': async (em, n) =>
    await em.execute('delete from reviews where id in (?, ?, ?) returning id', [n, n + 1, n + 2]),
}

async function outcome(work: () => Promise<unknown>): Promise<unknown> {
  try {
    // A deep copy as JSON would hide a changed type: this keeps undefined, dates, bytes and big numbers apart.
    return describe(await work())
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
    return { failed: error instanceof Error ? error.constructor.name : error, code }
  }
}

function describe(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (value instanceof Date) return `Date ${value.toISOString()}`
  if (ArrayBuffer.isView(value))
    return `Bytes ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`
  if (Array.isArray(value)) return value.map(describe)
  if (value === null || typeof value !== 'object') return value
  const plain: object = '__meta' in value ? wrap(value).toObject() : value
  return Object.fromEntries(Object.entries(plain).map(([key, inner]) => [key, describe(inner)]))
}

const ROUNDS = 6

test('every read of the ORM answers the same with parameters as with literals', async ({ postgres }) => {
  test.setTimeout(120_000)
  await postgres.reset()
  await using prepared = await openLibrary(postgres.url, { prepared: { fromUse: 2 } })
  await using literal = await startDatabase({
    url: postgres.url,
    entities: libraryEntities,
    optimize: false,
    pool: { size: 2 },
  })
  await seedLibrary(prepared)
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, step] of Object.entries(READS)) {
      const own = await outcome(() => step(prepared.fork(), round))
      const reference = await outcome(() => step(literal.fork(), round))
      expect.soft(own, `${name}, round ${round}`).toEqual(reference)
    }
    await prepared.idle()
  }
  expect(prepared.stats().queryPerformance.preparedStatementUsage).toBeGreaterThan(100)
})

test('every write of the ORM has the same effect with parameters as with literals', async ({ postgres }) => {
  test.setTimeout(120_000)
  await postgres.reset()
  await using prepared = await openLibrary(postgres.url, { prepared: { fromUse: 2 } })
  await using literal = await startDatabase({
    url: postgres.url,
    entities: libraryEntities,
    optimize: false,
    pool: { size: 2 },
  })
  await seedLibrary(prepared)
  const undone = new Error('undone')
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [name, step] of Object.entries(WRITES)) {
      const results: unknown[] = []
      for (const database of [prepared, literal]) {
        const work = database.transaction(async (em) => {
          results.push(await outcome(() => step(em, round)))
          em.clear()
          throw undone
        })
        await work.catch((error: unknown) => expect(error).toBe(undone))
      }
      expect.soft(results[0], `${name}, round ${round}`).toEqual(results[1])
      expect(results, name).toHaveLength(2)
    }
    await prepared.idle()
  }
})
