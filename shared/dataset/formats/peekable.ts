/** Bytes of which the first can be looked at before they are read. */
export interface PeekableBytes {
  /** The next `count` bytes, fewer only where there are no more; they are still to be read. */
  peek(count: number): Promise<Buffer>
  /** The next bytes; null at the end. */
  next(): Promise<Buffer | null>
  /** Puts bytes back in front of those to come. */
  unread(bytes: Buffer): void
  /** All bytes to come; closes the source when it ends or is left. */
  rest(): AsyncGenerator<Buffer>
  close(): Promise<void>
}

/** Makes the first bytes of a stream visible; a source may use its buffers again, so that what is held is a copy. */
export function peekable(chunks: AsyncIterable<Uint8Array>): PeekableBytes {
  const source = chunks[Symbol.asyncIterator]()
  let held: Buffer[] = []
  let ended = false

  async function pull(): Promise<Buffer | null> {
    if (ended) return null
    const { value, done } = await source.next()
    if (done) ended = true
    return done ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }

  const bytes: PeekableBytes = {
    async peek(count) {
      let length = held.reduce((sum, part) => sum + part.length, 0)
      while (length < count) {
        const part = await pull()
        if (part === null) break
        held.push(Buffer.from(part))
        length += part.length
      }
      if (held.length > 1) held = [Buffer.concat(held)]
      return (held[0] ?? Buffer.alloc(0)).subarray(0, count)
    },
    async next() {
      return held.shift() ?? pull()
    },
    unread(part) {
      if (part.length > 0) held.unshift(Buffer.from(part))
    },
    async *rest() {
      try {
        for (let part = await bytes.next(); part !== null; part = await bytes.next()) yield part
      } finally {
        await bytes.close()
      }
    },
    async close() {
      if (ended) return
      ended = true
      await source.return?.()
    },
  }
  return bytes
}
