import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const HEAD = 'POST /embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'

/** Clients that hold connections and give nothing for it. */
export interface BadClients {
  leave(): void
}

/** How a client is bad: how many there are, what each sends, and what it does with its side of the connection. */
interface BadClientKind {
  readonly count: number
  readonly send: string
  readonly halfClose?: boolean
  readonly deaf?: boolean
  /** What they send are requests: work as any other, until it is done. */
  readonly isWork?: boolean
}

/** By name. */
export const BAD_CLIENTS: Readonly<Record<string, BadClientKind>> = {
  'bodies of 11 bytes that never end': {
    count: 600,
    send: `${HEAD}content-length: 1000\r\n\r\n{"inputs":"`,
  },
  'headers that never end': { count: 600, send: 'POST /embed HTTP/1.1\r\nhost: loc' },
  'connections that say nothing': { count: 600, send: '' },
  'bodies that are half-closed in their middle': {
    count: 600,
    send: `${HEAD}content-length: 1000\r\n\r\n{"inputs":"`,
    halfClose: true,
  },
  'whole requests that are half-closed': {
    count: 600,
    send: requestOf(2),
    halfClose: true,
    isWork: true,
  },
  // Half a megabyte of answers for each.
  'clients that never read': {
    count: 20,
    send: requestOf(1_000).repeat(6),
    deaf: true,
    isWork: true,
  },
}

/** Opens connections, all of which have sent what they send when this resolves. */
export async function openBadClients(port: number, kind: string): Promise<BadClients> {
  const { count, send, halfClose = false, deaf = false } = BAD_CLIENTS[kind]!
  const open = async () => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    await once(socket, 'connect')
    if (deaf) socket.pause()
    else socket.resume()
    if (send !== '') await new Promise<void>((resolve) => socket.write(send, () => resolve()))
    if (halfClose) socket.end()
    return socket
  }
  const sockets: Socket[] = await Promise.all(Array.from({ length: count }, open))
  return {
    leave() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function requestOf(inputs: number): string {
  const body = JSON.stringify({ inputs: Array(inputs).fill('the cat') })
  return `${HEAD}content-length: ${body.length}\r\n\r\n${body}`
}
