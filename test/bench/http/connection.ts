import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Address } from './address.ts'
import { ResponseReader } from './response-reader.ts'

/** What came back; `body` is empty unless it was asked for. */
export interface Answer {
  readonly status: number
  readonly bytes: number
  readonly body: Buffer
}

interface Pending {
  readonly reader: ResponseReader
  resolve(answer: Answer): void
  reject(error: Error): void
}

/** The bytes of a POST with a JSON body, of a caller who waits for `patienceMs` or for as long as it takes. */
export function buildPost(
  { host, port }: Address,
  path: string,
  json: string,
  patienceMs?: number,
): Buffer {
  const body = Buffer.from(json)
  const name = host.includes(':') ? `[${host}]` : host
  const patience = patienceMs === undefined ? '' : `x-espalier-timeout-ms: ${patienceMs}\r\n`
  const head = `POST ${path} HTTP/1.1\r\nhost: ${name}:${port}\r\ncontent-type: application/json\r\n${patience}content-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** A keep-alive connection that carries one request at a time; it is opened by the first and again after a close. */
export class HttpConnection {
  readonly #address: Address
  #socket: Socket | null = null
  #pending: Pending | null = null

  constructor(address: Address) {
    this.#address = address
  }

  /** Connects ahead of the first request. @throws Error when nobody listens */
  async open(): Promise<void> {
    const socket = connect({ ...this.#address, noDelay: true })
    socket.on('data', (bytes) => this.#receive(socket, bytes))
    socket.on('error', (error) => this.#fail(socket, error))
    socket.on('close', () => this.#fail(socket, new Error('the server closed the connection')))
    await once(socket, 'connect')
    this.#socket = socket
  }

  /** Sends a request that `buildPost` made and waits for the whole response. @throws Error when it is cut off */
  async send(request: Buffer, { keepBody = false } = {}): Promise<Answer> {
    if (this.#socket === null) await this.open()
    return new Promise((resolve, reject) => {
      this.#pending = { reader: new ResponseReader(keepBody), resolve, reject }
      this.#socket?.write(request)
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = null
  }

  #receive(socket: Socket, bytes: Buffer): void {
    const pending = this.#pending
    if (pending === null) return
    try {
      if (!pending.reader.push(bytes)) return
    } catch (error) {
      socket.destroy()
      this.#fail(socket, error as Error)
      return
    }
    this.#pending = null
    const { status, bodyBytes, body, closes } = pending.reader
    if (closes) this.close()
    pending.resolve({ status, bytes: bodyBytes, body })
  }

  #fail(socket: Socket, error: Error): void {
    if (this.#socket !== null && this.#socket !== socket) return
    const pending = this.#pending
    this.#pending = null
    this.#socket = null
    pending?.reject(error)
  }
}
