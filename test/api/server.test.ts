import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { createBoot } from '../../functions/boot/boot.ts'
import { type ApiTestDeps, createApiDeps, type LogLine } from '../fakes/api-deps.ts'
import { createFakeEncoder } from '../fakes/fake-encoder.ts'

const started: ServerHandle[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((handle) => handle.stop('test ends')))
})

async function start(deps?: ApiTestDeps): Promise<ServerHandle> {
  const handle = await startServer(deps ?? (await createApiDeps()))
  started.push(handle)
  return handle
}

function embed(handle: ServerHandle, body: string | Buffer = '{"inputs":"a"}'): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return fetch(`${handle.url}/embed`, {
    method: 'POST',
    headers,
    body: new Uint8Array(Buffer.from(body)),
  })
}

/** An encoder that waits inside its run until told to go on. */
function createHeldEncoder() {
  const events = new EventEmitter()
  const encoder = createFakeEncoder({
    gate: async () => {
      const opened = once(events, 'open')
      events.emit('inside')
      await opened
    },
  })
  return { encoder, inside: () => once(events, 'inside'), open: () => events.emit('open') }
}

describe('startServer', () => {
  it('listens, answers and stops with 0', async () => {
    const handle = await start()
    expect(handle.url).toBe(`http://127.0.0.1:${handle.port}`)
    const answer = await embed(handle)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-length')).toBe(String((await answer.text()).length))
    expect(await handle.stop('enough')).toBe(0)
    expect(await handle.stopped).toBe(0)
    await expect(embed(handle)).rejects.toThrow()
  })

  it('names the setting where the port is taken', async () => {
    const { port } = await start()
    const failed = startServer(await createApiDeps({ env: { PORT: String(port) } }))
    await expect(failed).rejects.toMatchObject({ code: 'invalid_config' })
    await expect(failed).rejects.toThrow(`PORT ${port} on HOST 127.0.0.1`)
  })

  it('finds a port in use before the encoder is opened', async () => {
    const { port } = await start()
    const env = {
      PORT: String(port),
      ESPALIER_ENCODER: './no-such-encoder',
      ESPALIER_REGISTRY: 'memory:',
      ESPALIER_LOG_LEVEL: 'silent',
    }
    const root = new URL('../../', import.meta.url)
    const boot = createBoot({ env, root, version: '0.0.0' })
    const failed = boot.serve()
    await expect(failed).rejects.toMatchObject({ code: 'invalid_config', param: 'PORT' })
    await expect(failed).rejects.toThrow(`PORT ${port} on HOST 127.0.0.1 is in use`)
    await expect(boot.serve({ host: '203.0.113.1' })).rejects.toThrow('HOST 203.0.113.1')
    await expect(boot.serve({ port: 0 })).rejects.toMatchObject({ code: 'model_not_found' })
  })

  it('refuses bodies over the limit, declared or not, and serves on', async () => {
    const env = { PORT: '0', ESPALIER_MAX_BODY_BYTES: '4096' }
    const handle = await start(await createApiDeps({ env }))
    const declared = await embed(handle, `{"inputs":"${'x'.repeat(5000)}"}`)
    expect(declared.status).toBe(413)
    expect(await declared.text()).toContain('the limit is 4096 bytes')
    const socket = connect(handle.port, '127.0.0.1')
    socket.write(
      'POST /embed HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    )
    for (let i = 0; i < 5; i++) socket.write(`400\r\n${'['.repeat(1024)}\r\n`)
    const [reply] = (await once(socket, 'data')) as [Buffer]
    expect(reply.toString('latin1')).toMatch(/^HTTP\/1\.1 413 /)
    socket.destroy()
    expect((await embed(handle)).status).toBe(200)
  })

  it('survives callers who leave in the middle of a body', async () => {
    const deps = await createApiDeps()
    const handle = await start(deps)
    const socket = connect(handle.port, '127.0.0.1')
    socket.write(
      'POST /embed HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"inp',
    )
    await once(socket, 'connect')
    socket.destroy()
    expect((await embed(handle)).status).toBe(200)
    expect(await handle.stop('done')).toBe(0)
    expect(deps.log.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('drops work of callers who leave while waiting', async () => {
    const held = createHeldEncoder()
    const deps = await createApiDeps({ encoder: held.encoder })
    const handle = await start(deps)
    const inside = held.inside()
    const controller = new AbortController()
    const asked = fetch(`${handle.url}/embed`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"inputs":"a"}',
      signal: controller.signal,
    })
    await inside
    controller.abort()
    await expect(asked).rejects.toThrow()
    const isCancelled = ({ fields }: LogLine) => fields.errorCode === 'request_cancelled'
    // Whether the caller has gone or only ended its side shows a moment later.
    await vi.waitFor(() => expect(deps.log.lines.some(isCancelled)).toBe(true), { timeout: 30_000 })
    const nextInside = held.inside()
    const next = embed(handle)
    await nextInside
    held.open()
    expect((await next).status).toBe(200)
    expect(await handle.stop('done')).toBe(0)
    const cancelled = deps.log.lines.filter(isCancelled)
    expect(cancelled).toHaveLength(1)
    expect(cancelled[0]?.fields.status).toBe(499)
  })
})

describe('stopping', () => {
  it('finishes every accepted request, then releases the encoder, then ends with 0', async () => {
    const held = createHeldEncoder()
    const deps = await createApiDeps({ encoder: held.encoder })
    const handle = await start(deps)
    const inside = held.inside()
    const asked = embed(handle)
    await inside
    const code = handle.stop('SIGTERM')
    expect(deps.readiness.status()).toBe('stopping')
    const again = handle.stop('SIGINT')
    held.open()
    const answer = await asked
    expect(answer.status).toBe(200)
    expect(answer.headers.get('connection')).toBe('close')
    expect(await code).toBe(0)
    expect(await again).toBe(0)
    expect(await handle.stopped).toBe(0)
    await expect(
      held.encoder.encode(['a'], { truncate: true, truncationDirection: 'right', normalize: true }),
    ).rejects.toMatchObject({ code: 'shutting_down' })
  })

  it('closes idle connections, so that a keep-alive client does not hold it up', async () => {
    const handle = await start()
    const socket = connect(handle.port, '127.0.0.1')
    socket.write('GET /livez HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(socket, 'data')
    const ended = once(socket, 'close')
    expect(await handle.stop('enough')).toBe(0)
    await ended
  })

  it('cuts off what is not done at the deadline, and ends with 1', async () => {
    const held = createHeldEncoder()
    const env = { ESPALIER_SHUTDOWN_TIMEOUT_MS: '20' }
    const handle = await start(await createApiDeps({ encoder: held.encoder, env }))
    const inside = held.inside()
    const asked = embed(handle)
    await inside
    const code = handle.stop('enough')
    await expect(asked).rejects.toThrow()
    held.open()
    expect(await code).toBe(1)
  })

  it('ends with 1 where releasing the parts fails', async () => {
    const deps = await createApiDeps()
    const handle = await start({ ...deps, close: () => Promise.reject(new Error('stuck')) })
    expect(await handle.stop('enough')).toBe(1)
    expect(deps.log.lines.some(({ message }) => message === 'closing failed')).toBe(true)
  })
})
