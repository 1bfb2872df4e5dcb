import { type Child, type ChildSpec, forkChild } from '../contestants/child.ts'
import type { Address } from './address.ts'
import type { ClientReply, ClientRequest } from './client-protocol.ts'
import { embedBodies } from './embed-bodies.ts'

/** How texts are put into requests. */
export interface LoadShape {
  readonly name: string
  readonly connections: number
  readonly textsPerRequest: number
}

/** The load client in its own process. */
export interface LoadClient {
  /** Sends all texts once. @throws Error when a request is not answered with 200 */
  runClosed(
    address: Address,
    texts: readonly string[],
    shape: LoadShape,
  ): Promise<Extract<ClientReply, { kind: 'closed' }>>
  /** Sends one text a request at the given times, for callers who wait for `patienceMs`. */
  runOpen(
    address: Address,
    texts: readonly string[],
    arrivalsMs: readonly number[],
    maxInFlight: number,
    patienceMs?: number,
  ): Promise<Extract<ClientReply, { kind: 'open' }>>
  stop(): Promise<void>
}

/** Starts the load client. */
export async function startLoadClient(spec: ChildSpec): Promise<LoadClient> {
  const child: Child<ClientRequest, ClientReply> = await forkChild(spec)
  return {
    async runClosed(address, texts, { connections, textsPerRequest }) {
      const bodies = embedBodies(texts, textsPerRequest)
      return await child.ask({ kind: 'closed', address, bodies, connections }, 'closed')
    },
    async runOpen(address, texts, arrivalsMs, maxInFlight, patienceMs) {
      const bodies = embedBodies(texts, 1)
      const patience = patienceMs === undefined ? {} : { patienceMs }
      const request = {
        kind: 'open',
        address,
        bodies,
        arrivalsMs,
        maxInFlight,
        ...patience,
      } as const
      return await child.ask(request, 'open')
    },
    stop: child.stop,
  }
}
