/** A budget that several processes share. */
export interface SharedRateLimit {
  /**
   * Reserves tokens and answers in how many milliseconds they may be used. A reservation stands, so that those who
   * wait are served in order.
   */
  reserve(tokens: number): Promise<number>
  /**
   * Takes tokens if `kept` are left for those who reserve, and answers 0. Otherwise nothing was taken, and the answer
   * says in how many milliseconds it is worth asking again.
   */
  takeSpare(tokens: number, kept: number): Promise<number>
}
