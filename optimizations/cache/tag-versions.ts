import { LRUCache } from 'lru-cache'

/** The version of one tag, as entries in memory hold it: turning it off ends them all at once. */
export interface TagCell {
  readonly tag: string
  readonly version: number
  isCurrent: boolean
}

export interface TagVersionsDependencies {
  /** One round trip for any number of tags. */
  readonly fetch: (tags: readonly string[]) => Promise<readonly number[]>
  /** Whether changes of other processes arrive here: without that nothing counts as known. */
  readonly isCoherent: () => boolean
}

interface Fetch {
  readonly tags: readonly string[]
  isOutdated: boolean
}

/** Tags of which the versions are kept in memory; the least used are asked for again. */
const MAX_KNOWN_TAGS = 50_000
const MAX_ATTEMPTS = 8

/**
 * The versions of tags, as far as this process knows them. A known version is the present one: it is forgotten before
 * an invalidation of its tag is acknowledged. A tag that is not known costs a round trip, once for all tags of a read.
 */
export class TagVersions {
  readonly #deps: TagVersionsDependencies
  readonly #cells = new LRUCache<string, TagCell>({
    max: MAX_KNOWN_TAGS,
    dispose: (cell) => {
      cell.isCurrent = false
    },
  })
  readonly #fetches = new Set<Fetch>()

  constructor(deps: TagVersionsDependencies) {
    this.#deps = deps
  }

  /** The cells of the tags if all are known: the way without a round trip. */
  known(tags: readonly string[]): readonly TagCell[] | undefined {
    if (!this.#deps.isCoherent()) return undefined
    const cells: TagCell[] = []
    for (const tag of tags) {
      const cell = this.#cells.get(tag)
      if (cell === undefined) return undefined
      cells.push(cell)
    }
    return cells
  }

  /** The cells of the tags as they are at some moment of the call. */
  async resolve(tags: readonly string[]): Promise<readonly TagCell[]> {
    const known = this.known(tags)
    if (known !== undefined) return known
    for (let attempt = 1; ; attempt += 1) {
      const fetch: Fetch = { tags, isOutdated: false }
      this.#fetches.add(fetch)
      const versions = await this.#deps.fetch(tags).finally(() => this.#fetches.delete(fetch))
      if (!fetch.isOutdated) return tags.map((tag, index) => this.#remember(tag, versions[index]!))
      // An invalidation overtook the answer, which may be from before it: whoever joined since must not see it. A tag
      // that changes faster than it can be read has no present version: what carries it is not kept.
      if (attempt === MAX_ATTEMPTS) return tags.map((tag) => ({ tag, version: Number.NaN, isCurrent: false }))
    }
  }

  forget(tags: readonly string[]): void {
    for (const tag of tags) this.#cells.delete(tag)
    for (const fetch of this.#fetches) if (fetch.tags.some((tag) => tags.includes(tag))) fetch.isOutdated = true
  }

  forgetAll(): void {
    this.#cells.clear()
    for (const fetch of this.#fetches) fetch.isOutdated = true
  }

  #remember(tag: string, version: number): TagCell {
    const known = this.#cells.get(tag)
    if (known?.version === version) return known
    const cell: TagCell = { tag, version, isCurrent: true }
    // Also while nothing is heard: what is forgotten later must end every entry that has the cell.
    this.#cells.set(tag, cell)
    return cell
  }
}
