const HEAD_END = '\r\n\r\n'

type State = 'head' | 'body' | 'size' | 'chunk' | 'chunk end' | 'trailer' | 'done'

/**
 * Reads one HTTP/1.1 response from the pieces in which it arrives: status, length, and the body only where it is
 * kept. It costs next to nothing beside the server's own work, which a general client does not.
 */
export class ResponseReader {
  status = 0
  /** Bytes of the body, without the framing of chunks. */
  bodyBytes = 0
  /** The server closes the connection after this response. */
  closes = false
  readonly #kept: Buffer[] | null
  #state: State = 'head'
  /** Bytes left of the body, of the chunk, or of the line break after it. */
  #left = 0
  /** A head, or a line, that has not arrived whole. */
  #partial = ''

  constructor(keepBody: boolean) {
    this.#kept = keepBody ? [] : null
  }

  /** The kept body. */
  get body(): Buffer {
    return Buffer.concat(this.#kept ?? [])
  }

  /** Takes the next bytes; true when the response is complete. @throws Error for bytes that are no response */
  push(bytes: Buffer): boolean {
    let at = 0
    while (at < bytes.length && this.#state !== 'done') at = this.#step(bytes, at)
    return this.#state === 'done'
  }

  #step(bytes: Buffer, at: number): number {
    if (this.#state === 'head') return this.#readHead(bytes, at)
    if (this.#state === 'size' || this.#state === 'trailer') return this.#readLine(bytes, at)
    const taken = Math.min(this.#left, bytes.length - at)
    this.#left -= taken
    if (this.#state !== 'chunk end') {
      this.bodyBytes += taken
      this.#kept?.push(bytes.subarray(at, at + taken))
    }
    if (this.#left === 0) this.#advance()
    return at + taken
  }

  #advance(): void {
    if (this.#state === 'body') this.#state = 'done'
    else if (this.#state === 'chunk end') this.#state = 'size'
    else {
      this.#state = 'chunk end'
      this.#left = 2
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const before = this.#partial.length
    this.#partial += bytes.toString('latin1', at)
    const end = this.#partial.indexOf(HEAD_END)
    if (end < 0) return bytes.length
    this.#parseHead(this.#partial.slice(0, end))
    this.#partial = ''
    return at + end + HEAD_END.length - before
  }

  #parseHead(head: string): void {
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)
    if (!status) throw new Error(`not an HTTP response: ${JSON.stringify(head.slice(0, 80))}`)
    this.status = Number(status[1])
    this.closes = /^connection: *close/im.test(head)
    if (/^transfer-encoding: *chunked/im.test(head)) {
      this.#state = 'size'
      return
    }
    const length = /^content-length: *(\d+)/im.exec(head)
    if (!length) throw new Error('a response without content-length that is not chunked')
    this.#left = Number(length[1])
    this.#state = this.#left === 0 ? 'done' : 'body'
  }

  #readLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(10, at)
    this.#partial += bytes.toString('latin1', at, end < 0 ? bytes.length : end)
    if (end < 0) return bytes.length
    const line = this.#partial.trim()
    this.#partial = ''
    if (this.#state === 'trailer') {
      if (line === '') this.#state = 'done'
      return end + 1
    }
    this.#left = Number.parseInt(line, 16)
    if (Number.isNaN(this.#left)) throw new Error(`not the size of a chunk: ${line.slice(0, 20)}`)
    this.#state = this.#left === 0 ? 'trailer' : 'chunk'
    return end + 1
  }
}
