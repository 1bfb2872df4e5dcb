import type { ClientReply, ClientRequest } from './client-protocol.ts'
import { buildPost, HttpConnection } from './connection.ts'

/**
 * Sends every body once over a fixed number of connections, each with one request at a time.
 * @throws Error when a request is not answered with 200
 */
export async function runClosedLoop({
  address,
  bodies,
  connections,
}: Extract<ClientRequest, { kind: 'closed' }>): Promise<Extract<ClientReply, { kind: 'closed' }>> {
  const requests = bodies.map((body) => buildPost(address, '/embed', body))
  const open = Array.from({ length: connections }, () => new HttpConnection(address))
  await Promise.all(open.map((connection) => connection.open()))
  const latenciesMs: number[] = []
  let bytes = 0
  let next = 0
  const drive = async (connection: HttpConnection): Promise<void> => {
    while (next < requests.length) {
      const request = requests[next++] as Buffer
      const sent = performance.now()
      const answer = await connection.send(request)
      latenciesMs.push(performance.now() - sent)
      if (answer.status !== 200) throw new Error(`POST /embed was answered with ${answer.status}`)
      bytes += answer.bytes
    }
  }
  try {
    const start = performance.now()
    await Promise.all(open.map(drive))
    return { kind: 'closed', ms: performance.now() - start, latenciesMs, bytes }
  } finally {
    for (const connection of open) connection.close()
  }
}
