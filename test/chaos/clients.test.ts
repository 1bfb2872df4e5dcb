import { afterEach, describe, expect, it } from 'vitest'
import { type ServerHandle, startServer } from '../../functions/api/server.ts'
import { createApiDeps } from '../fakes/api-deps.ts'
import { createTestHead, createTestRegistry, publishHead } from '../fakes/heads.ts'
import { until } from '../fakes/manual-ticker.ts'
import { HEALTHY, type Observer, observe, type Question } from './observe.ts'
import { BAD_CLIENTS, type BadClients, openBadClients } from './slow-clients.ts'

const OTHERS: Question[] = [
  ['/embed', { inputs: ['the cat', 'a mat'] }],
  ['/v1/embeddings', { input: 'rain', encoding_format: 'base64' }],
  ['/classify', { inputs: 'a text', model: 'assistant' }],
]
const SLOW = 'bodies of 11 bytes that never end'
let server: ServerHandle
let bad: BadClients | undefined
let seen: Observer

afterEach(async () => {
  bad?.leave()
  await server.stop('the test ends')
})

async function serve(): Promise<void> {
  const registry = createTestRegistry()
  await publishHead(registry, 'assistant', createTestHead('own'))
  // Far fewer permits than bad clients: each that holds one shows.
  server = await startServer(await createApiDeps({ registry, env: { ESPALIER_MAX_REQUESTS: '8' } }))
  seen = observe((path, init) => fetch(`${server.url}${path}`, init))
}

const inFlight = () => seen.metric('espalier_http_requests_in_flight')
const waiting = () => seen.metric('espalier_waiting_bodies')

describe('clients that hold hundreds of connections', () => {
  it.each(Object.keys(BAD_CLIENTS))('%s: others get the same answers', async (kind) => {
    await serve()
    const quiet = await seen.askAll(OTHERS)
    bad = await openBadClients(server.port, kind)
    const waits = kind === SLOW ? BAD_CLIENTS[SLOW]!.count : 0
    await until(async () => (await inFlight()) === waits + 1 && (await waiting()) === waits)
    for (let i = 0; i < 2; i++) {
      expect(await seen.askAll(OTHERS)).toEqual(quiet)
      expect(await seen.health()).toEqual(HEALTHY)
    }
    bad.leave()
    expect(await seen.askAll(OTHERS)).toEqual(quiet)
    // The scrape itself is the only one that is left: nothing is held for those who have gone.
    await until(async () => (await inFlight()) === 1 && (await waiting()) === 0)
    expect(await seen.metric('espalier_errors_total{code="internal"}')).toBe(0)
  })
})
