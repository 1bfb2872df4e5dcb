import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readPeerStart, readServerPeers } from '../../bench/contestants/server-peers.ts'
import { parseAddress } from '../../bench/http/address.ts'
import { runClosedLoop } from '../../bench/http/closed-loop.ts'
import { buildPost, HttpConnection } from '../../bench/http/connection.ts'
import { embedBodies } from '../../bench/http/embed-bodies.ts'
import { runOpenLoop } from '../../bench/http/open-loop.ts'
import { ResponseReader } from '../../bench/http/response-reader.ts'

describe('parseAddress', () => {
  it.each([
    ['http://127.0.0.1:3000', { host: '127.0.0.1', port: 3000 }],
    ['http://localhost/', { host: '127.0.0.1', port: 80 }],
    ['http://[::1]:8080/embed', { host: '::1', port: 8080 }],
    ['http://127.9.9.9:1', { host: '127.9.9.9', port: 1 }],
    // Another spelling of 127.0.0.1.
    ['http://2130706433:5', { host: '127.0.0.1', port: 5 }],
  ])('takes %s', (url, address) => {
    expect(parseAddress(url, 'TEI_URL')).toEqual(address)
  })

  it.each([
    'http://10.0.0.7:3000',
    'http://192.168.1.1',
    'http://example.org',
    'http://127.0.0.1.example.org',
    'http://0.0.0.0:3000',
    'http://[::ffff:10.0.0.7]:80',
    'https://127.0.0.1:3000',
    '127.0.0.1:3000',
    '',
  ])('refuses "%s"', (url) => {
    expect(() => parseAddress(url, 'TEI_URL')).toThrow(/^TEI_URL is .*; it must be an http URL/)
  })
})

describe('readServerPeers', () => {
  it('names the servers that are given', () => {
    const env = { TEI_URL: 'http://127.0.0.1:1', TEI_INT8_URL: 'http://127.0.0.1:2' }
    expect(readServerPeers(env).map(({ peer, name }) => [peer, name])).toEqual([
      ['tei', 'TEI'],
      ['tei-int8', 'TEI int8'],
    ])
    expect(readServerPeers({ ...env, TEI_NAME: 'TEI 1.9' })[1]?.name).toBe('TEI 1.9 int8')
    expect(readServerPeers({ TEI_URL: '' })).toEqual([])
    expect(() => readServerPeers({ TEI_INT8_URL: 'http://10.1.1.1' })).toThrow(/^TEI_INT8_URL/)
  })
})

describe('readPeerStart', () => {
  it('puts the port into the command, and wants to know where', () => {
    const start = readPeerStart({ TEI_COMMAND: 'router --port {port}  --model /m' })
    expect(start?.command(81)).toEqual(['router', '--port', '81', '--model', '/m'])
    expect(readPeerStart({})).toBeNull()
    expect(() => readPeerStart({ TEI_COMMAND: 'router' })).toThrow(/TEI_COMMAND is "router"/)
  })
})

describe('embedBodies', () => {
  it('sends single texts as strings and the rest in lists', () => {
    const inputs = (bodies: string[]) => bodies.map((body) => JSON.parse(body).inputs)
    expect(inputs(embedBodies(['a', 'b'], 1))).toEqual(['a', 'b'])
    expect(inputs(embedBodies(['a', 'b', 'c'], 2))).toEqual([['a', 'b'], ['c']])
  })
})

describe('ResponseReader', () => {
  const chunked =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, world!!!\r\n0\r\nTrail: 1\r\n\r\n'
  const counted =
    'HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 15\r\n\r\nhello, world!!!'
  const pieces = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 20 })

  it.each([
    ['chunks', chunked, 200, false],
    ['a length', counted, 413, true],
  ])('reads a body with %s however it is cut', (_, text, status, closes) => {
    fc.assert(
      fc.property(pieces, (sizes) => {
        const bytes = Buffer.from(text)
        const reader = new ResponseReader(true)
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] as number
          const complete = reader.push(bytes.subarray(at, at + size))
          at += size
          expect(complete).toBe(at >= bytes.length)
        }
        expect(reader.body.toString()).toBe('hello, world!!!')
        expect([reader.status, reader.bodyBytes, reader.closes]).toEqual([status, 15, closes])
      }),
    )
  })

  it('refuses what is no response', () => {
    expect(() => new ResponseReader(false).push(Buffer.from('SSH-2.0-x\r\n\r\n'))).toThrow(
      /not an HTTP response: "SSH-2.0-x"/,
    )
    const endless = Buffer.from('HTTP/1.1 200 OK\r\n\r\n')
    expect(() => new ResponseReader(false).push(endless)).toThrow(/content-length/)
  })
})

describe('the load client', () => {
  /** A server that answers with the request's body, 429 to bodies that hold `refuse`, 504 to callers in a hurry. */
  async function withServer(use: (port: number, seen: string[]) => Promise<void>): Promise<void> {
    const seen: string[] = []
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      seen.push(`${request.method} ${request.url} ${body}`)
      const served = request.headers['x-espalier-timeout-ms'] === '1' ? 504 : 200
      response.writeHead(body.includes('refuse') ? 429 : served, { 'x-padding': 'p'.repeat(100) })
      response.end(body)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      await use((server.address() as AddressInfo).port, seen)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  it('sends every body once over the connections of a closed loop', async () => {
    await withServer(async (port, seen) => {
      const bodies = Array.from({ length: 40 }, (_, i) => `"body ${i}"`)
      const address = { host: '127.0.0.1', port }
      const found = await runClosedLoop({ kind: 'closed', address, bodies, connections: 4 })
      expect(seen.sort()).toEqual(bodies.map((body) => `POST /embed ${body}`).sort())
      expect(found.latenciesMs).toHaveLength(40)
      expect(found.bytes).toBe(bodies.join('').length)
      const refused = { kind: 'closed', address, bodies: ['"refuse"'], connections: 1 } as const
      await expect(runClosedLoop(refused)).rejects.toThrow(/answered with 429/)
    })
  })

  it('sends at the given times and counts what was refused', async () => {
    await withServer(async (port, seen) => {
      const address = { host: '127.0.0.1', port }
      const bodies = ['"a"', '"refuse"', '"b"']
      const arrivalsMs = [0, 1, 2, 3, 4, 5]
      const request = { kind: 'open', address, bodies, arrivalsMs } as const
      const found = await runOpenLoop({ ...request, maxInFlight: 100 })
      expect(seen).toHaveLength(6)
      expect(found).toMatchObject({ refused: 2, late: 0, overrun: false })
      expect(found.latenciesMs).toHaveLength(4)
      const hurried = await runOpenLoop({ ...request, maxInFlight: 100, patienceMs: 1 })
      expect(hurried).toMatchObject({ refused: 2, late: 4, latenciesMs: [] })
      const none = await runOpenLoop({ ...request, maxInFlight: 0 })
      expect(none).toEqual({ kind: 'open', latenciesMs: [], refused: 0, late: 0, overrun: true })
    })
  })

  it('opens a connection again after the server has closed it', async () => {
    await withServer(async (port) => {
      const address = { host: '127.0.0.1', port }
      const connection = new HttpConnection(address)
      const ask = Buffer.from(
        buildPost(address, '/embed', '"x"').toString().replace('\r\n', '\r\nconnection: close\r\n'),
      )
      for (let i = 0; i < 3; i++) {
        expect(await connection.send(ask, { keepBody: true })).toMatchObject({
          status: 200,
          bytes: 3,
          body: Buffer.from('"x"'),
        })
      }
      connection.close()
    })
  })
})
