import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { S3StoreOptions } from '../../shared/s3/client.ts'
import { errorAnswer, FakeBucket, type S3Answer, type S3Request } from './fake-bucket.ts'

const BUCKET = 'fake-bucket'

/** What happens to one request instead of an honest answer. */
export type Fault = (exchange: Exchange) => void | Promise<void>

/** One request under way. */
export interface Exchange {
  readonly request: S3Request
  readonly response: ServerResponse
  /** Does what was asked and returns the honest answer. */
  readonly perform: () => S3Answer
  readonly send: (answer: S3Answer) => void
}

/** An S3 server on a real socket whose next answers can be scripted. */
export interface FakeS3 {
  readonly endpoint: string
  readonly bucket: FakeBucket
  /** Method and key of every request, in order. */
  readonly requests: string[]
  readonly options: S3StoreOptions
  url(prefix?: string): string
  /** Lets faults befall the coming requests, one each; afterwards answers are honest again. */
  script(...faults: Fault[]): void
  /** Lets one fault befall every request that is not scripted, until told otherwise; null ends it. */
  befall(fault: Fault | null): void
  close(): Promise<void>
}

/** Starts the server on a free port. */
export async function startFakeS3(bucket = new FakeBucket()): Promise<FakeS3> {
  const faults: Fault[] = []
  let lasting: Fault = honest
  const requests: string[] = []
  const server = createServer(async (incoming, response) => {
    const request = await readRequest(incoming)
    requests.push(`${request.method} ${request.key}`)
    const known = incoming.url?.startsWith(`/${BUCKET}`)
    const perform = () => (known ? bucket.handle(request) : errorAnswer(404, 'NoSuchBucket'))
    const send = (answer: S3Answer) => sendAnswer(response, answer)
    const fault = faults.shift() ?? lasting
    await fault({ request, response, perform, send })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    endpoint,
    bucket,
    requests,
    options: {
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      retry: { baseDelayMs: 1 },
    },
    url: (prefix = '') => `s3://${BUCKET}/${prefix}?endpoint=${encodeURIComponent(endpoint)}`,
    script: (...more) => void faults.push(...more),
    befall(fault) {
      lasting = fault ?? honest
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readRequest(incoming: IncomingMessage): Promise<S3Request> {
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://fake')
  const key = decodeURIComponent(pathname.split('/').slice(2).join('/'))
  // A caller that hangs up is part of the game.
  const body = await buffer(incoming).catch(() => Buffer.alloc(0))
  return {
    method: incoming.method ?? '',
    key,
    query: searchParams,
    headers: incoming.headers,
    body,
  }
}

function sendAnswer(response: ServerResponse, { status, headers, body }: S3Answer): void {
  response.writeHead(status, { 'x-amz-request-id': 'REQ123', ...headers })
  response.end(body)
}

/** No fault. */
export const honest: Fault = ({ perform, send }) => send(perform())

/** Refuses, and does nothing. */
export function refuse(...answer: Parameters<typeof errorAnswer>): Fault {
  return ({ request, send }) => {
    const { body, ...rest } = errorAnswer(...answer)
    send(request.method === 'HEAD' ? rest : { ...rest, body })
  }
}

/** Does what was asked, and then answers with an error. */
export function loseAnswer(...answer: Parameters<typeof errorAnswer>): Fault {
  return ({ perform, send }) => {
    perform()
    send(errorAnswer(...answer))
  }
}

/** Cuts the connection without an answer. */
export const reset: Fault = ({ response }) => void response.socket?.resetAndDestroy()

/** Never answers. */
export const hang: Fault = () => {}

/** Keeps requests waiting until they are let go, and answers them honestly then. */
export function holdBack(): { readonly fault: Fault; letGo(): void } {
  const held: Exchange[] = []
  return {
    fault: (exchange) => void held.push(exchange),
    letGo() {
      for (const { perform, send } of held.splice(0)) send(perform())
    },
  }
}

/** Announces the whole body, sends its beginning, and cuts the connection. */
export function cutBody(bytes: number): Fault {
  return ({ perform, response }) => {
    const { status, headers, body = Buffer.alloc(0) } = perform()
    response.writeHead(status, headers)
    response.write(body.subarray(0, bytes), () => response.socket?.destroy())
  }
}

/** Announces the whole body, sends its beginning, tells so, and falls silent. */
export function stallBody(bytes: number, onSent: () => void = () => {}): Fault {
  return ({ perform, response }) => {
    const { status, headers, body = Buffer.alloc(0) } = perform()
    response.writeHead(status, headers)
    response.write(body.subarray(0, bytes), onSent)
  }
}

/** Sends a body of the right length with one byte changed. */
export const corruptBody: Fault = ({ perform, send }) => {
  const answer = perform()
  const body = Buffer.from(answer.body ?? '')
  body[body.length >> 1]! ^= 1
  send({ ...answer, body })
}
