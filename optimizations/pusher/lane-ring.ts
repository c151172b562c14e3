import type { ChannelLane } from './channel-lane.ts'

const COMPACT_FROM = 256

/**
 * Lanes in the order in which they became ready. A lane leaves by getting another ticket; its old place is passed over.
 * (A Set would do the same in less code, but its front fills with holes, and looking for the first element walks them.)
 */
export class LaneRing {
  /** Its lanes go after those of a higher class that have waited so much less: no lane starves. */
  readonly headStartMs: number
  #lanes: ChannelLane[] = []
  #tickets: number[] = []
  #head = 0

  constructor(headStartMs: number) {
    this.headStartMs = headStartMs
  }

  enter(lane: ChannelLane, ticket: number): void {
    lane.ticket = ticket
    this.#lanes.push(lane)
    this.#tickets.push(ticket)
  }

  /** The lane that has been ready longest. */
  first(): ChannelLane | undefined {
    let lane = this.#lanes[this.#head]
    while (lane !== undefined && lane.ticket !== this.#tickets[this.#head]) {
      this.#head += 1
      lane = this.#lanes[this.#head]
    }
    if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#lanes.length) {
      this.#lanes = this.#lanes.slice(this.#head)
      this.#tickets = this.#tickets.slice(this.#head)
      this.#head = 0
    }
    return lane
  }
}
