import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { type ApiTestDeps, createApiDeps } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'

const started: ServerHandle[] = []
const sockets: Socket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(started.splice(0).map((handle) => handle.stop('test ends')))
})

async function start(
  env: Record<string, string> = {},
  encoder = createFakeEncoder(),
): Promise<{ deps: ApiTestDeps; handle: ServerHandle }> {
  const deps = await createApiDeps({ env, encoder })
  const handle = await startServer(deps)
  started.push(handle)
  return { deps, handle }
}

function embed(handle: ServerHandle): Promise<Response> {
  return fetch(`${handle.url}/embed`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"inputs":"a"}',
  })
}

/** A series as a scraper reads it; NaN where there is none. */
async function metric(handle: ServerHandle, series: string): Promise<number> {
  const text = await (await fetch(`${handle.url}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return Number(line?.slice(series.length))
}

const HEAD = 'POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'

/** Sends text and keeps the connection open. */
async function send(handle: ServerHandle, text: string): Promise<Socket> {
  const socket = connect({ port: handle.port, host: '127.0.0.1', allowHalfOpen: true })
  sockets.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

/** All that a connection brings until the server ends it. */
async function readAll(socket: Socket): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('latin1')
}

/** Head and JSON of an answer, interim ones left out. */
function parse(text: string): { head: string; body: Record<string, unknown> } {
  const final = text.replaceAll('HTTP/1.1 100 Continue\r\n\r\n', '')
  const at = final.indexOf('\r\n\r\n')
  return { head: final.slice(0, at), body: JSON.parse(final.slice(at + 4)) }
}

describe('slow bodies', () => {
  const slow = `${HEAD}content-length: 1000\r\n\r\n{"inputs":"`

  it('600 of them hold no permit: an honest request is answered', async () => {
    const { handle, deps } = await start()
    await Promise.all(Array.from({ length: 600 }, () => send(handle, slow)))
    const answers = await Promise.all(Array.from({ length: 20 }, () => embed(handle)))
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect(deps.log.lines.filter(({ fields }) => fields.status === 429)).toEqual([])
  })

  it('are bounded by number: the most silent one of the address is given up', async () => {
    const { handle } = await start({ ESPALIER_MAX_WAITING_BODIES: '4' })
    const first = await send(handle, slow)
    const firstAnswer = readAll(first)
    // The first has arrived when the server answers what came after it.
    expect((await embed(handle)).status).toBe(200)
    expect(await metric(handle, 'espalier_waiting_bodies')).toBe(1)
    expect(await metric(handle, 'espalier_waiting_bytes')).toBe(11)
    await send(handle, slow)
    await send(handle, slow)
    const { head, body } = parse(await firstAnswer)
    expect(head).toMatch(/^HTTP\/1\.1 408 /)
    expect(head.toLowerCase()).toContain('connection: close')
    expect(body).toMatchObject({ error_type: 'Validation' })
    expect((await embed(handle)).status).toBe(200)
    // The first, and one for the call that has just been answered.
    expect(await metric(handle, 'espalier_bodies_refused_total{reason="silent"}')).toBe(2)
    expect(await metric(handle, 'espalier_bodies_refused_total{reason="slow"}')).toBe(0)
    expect(await metric(handle, 'espalier_bodies_refused_total{reason="full"}')).toBe(0)
  })

  it('are answered when they end, however slowly they came', async () => {
    const { handle } = await start()
    const text = '{"inputs":"slow"}'
    const socket = await send(handle, `${HEAD}connection: close\r\ncontent-length: 17\r\n\r\n`)
    for (const letter of text) {
      await new Promise<void>((resolve) => socket.write(letter, () => resolve()))
    }
    expect(parse(await readAll(socket)).head).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('a body that is refused while it arrives', () => {
  it('is received to its end, so that every client reads the answer', async () => {
    const { handle, deps } = await start()
    const body = `{"inputs":[${'{},'.repeat(2_000_000)}{}]}`
    const head = `${HEAD}connection: close\r\ncontent-length: ${body.length}\r\n\r\n`
    const socket = await send(handle, head)
    await new Promise<void>((resolve) => socket.write(body, () => resolve()))
    expect(parse(await readAll(socket)).head).toMatch(/^HTTP\/1\.1 413 /)
    expect(deps.log.lines.at(-1)?.fields).toMatchObject({ status: 413, bodyBytes: body.length })
  })
})

describe('half-closed connections', () => {
  const body = '{"inputs":"a"}'
  const request = `${HEAD}content-length: ${body.length}\r\n\r\n${body}`

  it.each(['HTTP/1.1', 'HTTP/1.0'])('get their answer under %s', async (version) => {
    const { handle } = await start()
    const socket = await send(handle, request.replace('HTTP/1.1', version))
    socket.end()
    expect(parse(await readAll(socket)).head).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('get it also where it takes long, after interim answers', async () => {
    const events = new EventEmitter()
    const gate = async () => {
      await once(events, 'open')
    }
    const { handle } = await start({}, createFakeEncoder({ gate }))
    const socket = await send(handle, request)
    socket.end()
    await once(socket, 'readable')
    events.emit('open')
    const text = await readAll(socket)
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    expect(parse(text).head).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('in the middle of a body are over', async () => {
    const { handle } = await start()
    const socket = await send(handle, `${HEAD}content-length: 1000\r\n\r\n{"inputs":"`)
    socket.end()
    expect(parse(await readAll(socket)).head).toMatch(/^HTTP\/1\.1 400 /)
    expect((await embed(handle)).status).toBe(200)
  })
})

describe('what the application never sees', () => {
  const get = (target: string, headers = 'host: x\r\n') =>
    `GET ${target} HTTP/1.1\r\n${headers}connection: close\r\n\r\n`

  it.each([
    ['a host with a slash', get('/livez', 'host: a/b\r\n'), 400, 'invalid_request'],
    ['no host', get('/livez', ''), 400, 'invalid_request'],
    ['OPTIONS *', get('*').replace('GET', 'OPTIONS'), 400, 'invalid_request'],
    ['a bad port', get('http://x:99999/livez'), 400, 'invalid_request'],
    ['no HTTP', 'hello\r\n\r\n', 400, 'invalid_request'],
    ['a wrong length', `${HEAD}content-length: -1\r\n\r\n`, 400, 'invalid_request'],
    ['large headers', get('/livez', `x: ${'y'.repeat(20_000)}\r\n`), 431, 'headers_too_large'],
    ['another Expect', get('/livez', 'host: x\r\nexpect: tea\r\n'), 417, 'invalid_request'],
    ['CONNECT', 'CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n', 405, 'method_not_allowed'],
    [
      'a chunk that is none',
      `${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n`,
      400,
      'invalid_request',
    ],
  ])('%s: a body, an id and a log line', async (_what, text, status, code) => {
    const { handle, deps } = await start()
    const { head, body } = parse(await readAll(await send(handle, text)))
    expect(head.slice(0, 13)).toBe(`HTTP/1.1 ${status} `)
    expect(head.toLowerCase()).toContain('content-type: application/json')
    const id = /x-request-id: (\S+)/i.exec(head)?.[1]
    expect(body).toMatchObject({ status, id, error: { code } })
    const line = deps.log.lines.find(({ fields }) => fields.requestId === id)
    expect(line).toMatchObject({ level: 'info', fields: { errorCode: code } })
    expect(await metric(handle, `espalier_http_unparsed_requests_total{code="${code}"}`)).toBe(1)
  })

  it('headers that do not come: 408, by the time that the setting says', async () => {
    const { handle, deps } = await start({ ESPALIER_HEADERS_TIMEOUT_MS: '50' })
    const { head, body } = parse(await readAll(await send(handle, 'GET / HTTP/1.1\r\n')))
    expect(head).toMatch(/^HTTP\/1\.1 408 /)
    expect(body).toMatchObject({ error: { code: 'request_timeout' } })
    expect(deps.log.lines.some(({ fields }) => fields.requestId === body.id)).toBe(true)
    const name = 'espalier_http_unparsed_requests_total{code="request_timeout"}'
    expect(await metric(handle, name)).toBe(1)
  })

  it('comes after answers on the same connection as well', async () => {
    const { handle } = await start()
    const socket = await send(handle, 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1\.1 200 /)
    socket.write('\0\r\n\r\n')
    expect(parse(await readAll(socket)).head).toMatch(/^HTTP\/1\.1 400 /)
  })
})
