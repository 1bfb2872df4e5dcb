import type { ClientReply, ClientRequest } from './client-protocol.ts'
import { buildPost, HttpConnection } from './connection.ts'

/** Connections opened ahead; more are opened when all are busy. */
const READY_CONNECTIONS = 64

/**
 * Sends requests at their times without waiting for answers; each takes a connection that is free. A latency
 * counts from the time the request was due, so that a client that is late hides nothing.
 */
export async function runOpenLoop({
  address,
  bodies,
  arrivalsMs,
  maxInFlight,
  patienceMs,
}: Extract<ClientRequest, { kind: 'open' }>): Promise<Extract<ClientReply, { kind: 'open' }>> {
  const requests = bodies.map((body) => buildPost(address, '/embed', body, patienceMs))
  const all = Array.from({ length: READY_CONNECTIONS }, () => new HttpConnection(address))
  await Promise.all(all.map((connection) => connection.open()))
  const free = [...all]
  const inFlight = new Set<Promise<void>>()
  const latenciesMs: number[] = []
  let refused = 0
  let late = 0

  const takeConnection = (): HttpConnection => {
    const known = free.pop()
    if (known) return known
    const added = new HttpConnection(address)
    all.push(added)
    return added
  }
  const start = performance.now()
  const send = async (index: number): Promise<void> => {
    const connection = takeConnection()
    const request = requests[index % requests.length] as Buffer
    // A connection that is cut off is a refusal as well: it opens again with its next request.
    const status = await connection
      .send(request)
      .then((answer) => answer.status)
      .catch(() => 0)
    if (status === 200) latenciesMs.push(performance.now() - start - (arrivalsMs[index] as number))
    else if (status === 504) late += 1
    else refused += 1
    free.push(connection)
  }
  const sendAll = async (): Promise<boolean> => {
    for (let next = 0; next < arrivalsMs.length; ) {
      const wait = (arrivalsMs[next] as number) - (performance.now() - start)
      if (wait > 0) {
        await new Promise((resolve) => setTimeout(resolve, wait))
        continue
      }
      if (inFlight.size >= maxInFlight) return true
      const sent: Promise<void> = send(next).finally(() => inFlight.delete(sent))
      inFlight.add(sent)
      next += 1
    }
    return false
  }
  try {
    const overrun = await sendAll()
    await Promise.all(inFlight)
    return { kind: 'open', latenciesMs, refused, late, overrun }
  } finally {
    for (const connection of all) connection.close()
  }
}
