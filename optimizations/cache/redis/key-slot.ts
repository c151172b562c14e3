const SLOTS = 16_384

/**
 * The slot of a key in Redis Cluster: CRC-16/XMODEM of the text between the first pair of braces, or of the whole key
 * (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
 */
export function keySlot(key: string): number {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  const hashed = Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key)
  let crc = 0
  for (const byte of hashed) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc % SLOTS
}

/** The indexes of the keys, together where their slots are one: what a multi-key command of Cluster may touch at once. */
export function groupBySlot(keys: readonly string[]): readonly (readonly number[])[] {
  const groups = new Map<number, number[]>()
  for (const [index, key] of keys.entries()) {
    const slot = keySlot(key)
    const group = groups.get(slot)
    if (group === undefined) groups.set(slot, [index])
    else group.push(index)
  }
  return [...groups.values()]
}
