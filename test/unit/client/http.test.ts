import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createClient, EspalierClientError } from '../../../shared/client/client.ts'

/** What a fake network answers, in turn; the last answer is given again and again. */
type Answer = () => Response | Promise<Response>

const embedded = (): Response =>
  Response.json({
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding: 'AACAPw==' }],
    model: 'm@v1',
    usage: { prompt_tokens: 1, total_tokens: 1 },
  })
const refused =
  (status: number, headers: Record<string, string> = {}): Answer =>
  () =>
    Response.json({ error: { code: 'overloaded', message: 'busy' } }, { status, headers })
const lost: Answer = () => Promise.reject(new TypeError('fetch failed'))

function connect(answers: readonly Answer[], options: { retries?: number } = {}) {
  const sent: { readonly at: number; readonly headers: Headers }[] = []
  const fetch = async (_url: unknown, init: RequestInit | undefined) => {
    sent.push({ at: Date.now(), headers: new Headers(init?.headers) })
    const answer = answers[Math.min(sent.length, answers.length) - 1]!
    const aborted = new Promise<never>((_, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
    })
    return Promise.race([answer(), aborted])
  }
  const baseUrl = 'http://server.example/prefix'
  return {
    sent,
    client: createClient({ baseUrl, fetch: fetch as typeof globalThis.fetch, ...options }),
  }
}

describe('requests of a client', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** Lets all pauses pass, however long. */
  async function settle<T>(call: Promise<T>): Promise<T> {
    let done = false
    const mark = () => {
      done = true
    }
    call.then(mark, mark)
    while (!done) await vi.advanceTimersByTimeAsync(50)
    return call
  }

  it('go again after 429, 503 and a lost connection', async () => {
    const { client, sent } = connect([refused(429), refused(503), lost, embedded])
    expect((await settle(client.embed('a'))).embeddings).toEqual([Float32Array.of(1)])
    expect(sent).toHaveLength(4)
  })

  it.each([
    [{ 'retry-after': '3' }, 3000],
    [{ 'retry-after': '9', 'retry-after-ms': '1500' }, 1500],
    [{ 'retry-after': new Date(Date.UTC(2030, 0, 1, 0, 0, 7)).toUTCString() }, 7000],
  ])('wait as long as the server asks, and not all equally: %o', async (headers, ms) => {
    vi.setSystemTime(Date.UTC(2030, 0, 1))
    const pauses = new Set<number>()
    for (let call = 0; call < 8; call++) {
      vi.setSystemTime(Date.UTC(2030, 0, 1))
      const { client, sent } = connect([refused(429, headers), embedded])
      const answer = client.embed('a')
      while (sent.length < 2) await vi.advanceTimersByTimeAsync(1)
      await answer
      pauses.add(sent[1]!.at - sent[0]!.at)
    }
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(ms)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(ms + 260)
    expect(pauses.size).toBeGreaterThan(1)
  })

  it('are given up after the retries, and where a server asks for minutes', async () => {
    const tired = connect([refused(503, { 'retry-after': '1' })], { retries: 2 })
    const error = await settle(tired.client.embed('a')).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'overloaded', status: 503, retryAfterSeconds: 1 })
    expect(tired.sent).toHaveLength(3)
    const far = connect([refused(503, { 'retry-after': '600' })])
    await expect(settle(far.client.embed('a'))).rejects.toMatchObject({ retryAfterSeconds: 600 })
    expect(far.sent).toHaveLength(1)
  })

  it('are not sent again after other failures', async () => {
    for (const status of [400, 401, 404, 413, 500, 504]) {
      const { client, sent } = connect([refused(status)])
      await expect(client.embed('a')).rejects.toMatchObject({ status })
      expect(sent).toHaveLength(1)
    }
  })

  it('say when nobody answers in time, and tell the server how long they wait', async () => {
    const { client, sent } = connect([() => new Promise(() => {})])
    const call = client.embed('a', { timeoutMs: 1500 })
    const error = settle(call).catch((thrown: unknown) => thrown)
    expect(await error).toBeInstanceOf(EspalierClientError)
    expect(await error).toMatchObject({ code: 'timeout', message: 'no answer within 1500 ms' })
    expect(sent).toHaveLength(1)
    expect(sent[0]!.headers.get('x-espalier-timeout-ms')).toBe('1500')
  })

  it.each([
    ['while the server thinks', [() => new Promise<Response>(() => {})]],
    ['in a pause', [refused(429, { 'retry-after': '30' })]],
  ])('end with the reason of the signal %s', async (_when, answers) => {
    const { client } = connect(answers)
    const abort = new AbortController()
    const reason = new Error('enough')
    const call = client.embed('a', { signal: abort.signal })
    const failed = expect(call).rejects.toBe(reason)
    await vi.advanceTimersByTimeAsync(10)
    abort.abort(reason)
    await failed
    await expect(client.embed('a', { signal: abort.signal })).rejects.toBe(reason)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('make errors of what is no answer of ours', async () => {
    const text = (body: string, status: number) => connect([() => new Response(body, { status })])
    await expect(text('<html>', 200).client.embed('a')).rejects.toMatchObject({
      code: 'invalid_response',
      status: 200,
    })
    await expect(text('<html>', 502).client.embed('a')).rejects.toMatchObject({
      code: 'http_error',
      status: 502,
      message: '<html>',
    })
    const gateway = connect([() => Response.json({ message: 'Forbidden' }, { status: 403 })])
    await expect(gateway.client.embed('a')).rejects.toMatchObject({
      code: 'http_error',
      message: 'Forbidden',
    })
    await expect(settle(connect([lost], { retries: 1 }).client.embed('a'))).rejects.toMatchObject({
      code: 'connection_failed',
      message: 'http://server.example/prefix cannot be reached: fetch failed',
    })
    expect(() => createClient({ baseUrl: 'server' })).toThrow(/baseUrl is "server"/)
  })
})
