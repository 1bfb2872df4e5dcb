import { expect, it } from 'vitest'
import { createPlace, measure, note, OTHERS, startChaosServer } from './chaos-process.ts'
import { HEALTHY } from './observe.ts'
import { BAD_CLIENTS, openBadClients } from './slow-clients.ts'

/** Beside bad clients a probe is answered within this. */
const PROBE_MS = 50
/** How much longer an honest request may take, beside what it takes alone. */
const DELAY_MS = 50

it.each(Object.keys(BAD_CLIENTS))('%s: honest requests are as fast as before', async (kind) => {
  const server = await startChaosServer((await createPlace()).env)
  const ask = () => server.askAll([OTHERS[2]!])
  const alone = await measure(200, ask)
  const bad = await openBadClients(server.port, kind)
  const inFlight = () => server.metric('espalier_http_requests_in_flight')
  if (BAD_CLIENTS[kind]!.isWork) await expect.poll(inFlight, { timeout: 60_000 }).toBe(1)
  const beside = await measure(200, ask)
  const probes = await measure(100, () => server.ask('/readyz'))
  expect(await server.askAll(OTHERS)).toEqual(server.quiet)
  expect(await server.health()).toEqual(HEALTHY)
  // They are not waited for: whoever stays silent is let go of by the server.
  const begun = performance.now()
  await expect.poll(inFlight, { timeout: 90_000, interval: 100 }).toBe(1)
  const releasedSeconds = Math.round((performance.now() - begun) / 100) / 10
  note(kind, { alone, beside, probes, releasedSeconds })
  bad.leave()
  expect(await server.askAll(OTHERS)).toEqual(server.quiet)
  expect(beside.medianMs).toBeLessThan(alone.medianMs + DELAY_MS)
  expect(probes.medianMs).toBeLessThan(PROBE_MS)
  expect(releasedSeconds).toBeLessThan(30)
})
