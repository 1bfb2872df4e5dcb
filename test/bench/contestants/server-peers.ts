import { type Address, parseAddress } from '../http/address.ts'
import { buildPost, HttpConnection } from '../http/connection.ts'

/** A server of others that runs already and answers `POST /embed` as text-embeddings-inference does. */
export interface PeerServer {
  readonly peer: 'tei' | 'tei-int8'
  readonly name: string
  readonly address: Address
}

const VARIABLES = [
  { peer: 'tei', variable: 'TEI_URL', suffix: '' },
  { peer: 'tei-int8', variable: 'TEI_INT8_URL', suffix: ' int8' },
] as const

/**
 * Reads which servers to measure beside ours: TEI_URL, TEI_INT8_URL (the same with an int8 file), TEI_NAME.
 * @throws Error when one of them is not on this machine
 */
export function readServerPeers(
  env: Readonly<Record<string, string | undefined>>,
): readonly PeerServer[] {
  return VARIABLES.flatMap(({ peer, variable, suffix }) => {
    const url = env[variable]
    if (!url) return []
    const name = `${env.TEI_NAME || 'TEI'}${suffix}`
    return [{ peer, name, address: parseAddress(url, variable) }]
  })
}

/** Sends one text to a peer. @throws Error that says what is wrong with it */
export async function probePeer({ name, address }: PeerServer): Promise<void> {
  const connection = new HttpConnection(address)
  try {
    const { status } = await connection.send(buildPost(address, '/embed', '{"inputs":"ready"}'))
    if (status !== 200) throw new Error(`POST /embed gave ${status}`)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${name} at ${address.host}:${address.port} cannot be measured: ${reason}`, {
      cause,
    })
  } finally {
    connection.close()
  }
}
