import { answerParent } from '../contestants/child.ts'
import type { ClientRequest } from './client-protocol.ts'
import { runClosedLoop } from './closed-loop.ts'
import { runOpenLoop } from './open-loop.ts'

/** The process of the load client: alone, so that its work and the bench's never meet on one thread. */
export function serveClient(): void {
  answerParent<ClientRequest>(
    'load client',
    (request) => (request.kind === 'open' ? runOpenLoop(request) : runClosedLoop(request)),
    async () => {},
  )
}
