import { type Address, parseAddress } from '../http/address.ts'
import { buildPost, HttpConnection } from '../http/connection.ts'

/** A server of others that runs already and answers `POST /embed` as text-embeddings-inference does. */
export interface PeerServer {
  readonly peer: 'tei' | 'tei-int8'
  readonly name: string
  readonly address: Address
}

const PORT_PLACE = '{port}'

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

/** How to start a server of others on a port of this machine. */
export interface PeerStart {
  readonly name: string
  command(port: number): readonly string[]
}

/**
 * Reads TEI_COMMAND: a program and its arguments, separated by blanks.
 * @throws Error when it does not say where the port goes
 */
export function readPeerStart(env: Readonly<Record<string, string | undefined>>): PeerStart | null {
  const line = env.TEI_COMMAND?.trim()
  if (!line) return null
  if (!line.includes(PORT_PLACE)) {
    throw new Error(`TEI_COMMAND is "${line}"; it must hold ${PORT_PLACE} where the port goes`)
  }
  return {
    name: env.TEI_NAME || 'TEI',
    command: (port) => line.split(/\s+/).map((word) => word.replace(PORT_PLACE, String(port))),
  }
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
