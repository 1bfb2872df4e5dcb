import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { startEngine } from '../contestants/engine-process.ts'
import { PRECISIONS } from '../contestants/own.ts'
import type { ServerSpec } from '../contestants/server-process.ts'
import { type BenchContext, passTeller } from '../context.ts'
import type { Address } from '../http/address.ts'
import { buildPost, HttpConnection } from '../http/connection.ts'
import { interleave } from '../lib/interleave.ts'
import { median, spread } from '../lib/statistics.ts'
import { type PartResult, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'
import { SAME_PRECISION } from './compare.ts'

/** A refused connection costs some 50 µs: the poll takes next to nothing from the server that starts. */
const POLL_MS = 2
const DEADLINE_MS = 300_000
const HOST = '127.0.0.1'

/** From spawning a process to its first answer, with a warm cache. */
export async function measureStart(context: BenchContext): Promise<PartResult> {
  const servers = PRECISIONS.map((precision) => ({
    name: context.own.server({ precision }).name,
    what: 'first HTTP 200',
    run: async () => {
      const port = await findFreePort()
      return startOnce(context.own.server({ precision, port }), { host: HOST, port })
    },
  }))
  const { peerStart } = context
  const started = peerStart === null ? [] : [peerStart]
  const others = started.map(({ name, command }) => ({
    name,
    what: 'first HTTP 200',
    run: async () => {
      const port = await findFreePort()
      return startOnce({ name, command: command(port), env: {} }, { host: HOST, port })
    },
  }))
  const peers = context.transformers
    .filter(({ batch }) => batch === 1)
    .map((spec) => ({
      name: spec.name,
      what: 'first vector, no HTTP',
      run: async () => {
        const engine = await startEngine(spec)
        await engine.stop()
        return engine.startMs
      },
    }))
  const contestants = [...servers, ...others, ...peers].filter(({ name }) => context.wants(name))
  // The warm-up pass fills the cache.
  const found = await interleave(
    contestants.map(({ run }) => run),
    context.passes,
    passTeller(context, 'start'),
  )
  const timesOf = (name: string) => found[contestants.findIndex((one) => one.name === name)]
  return {
    title: 'Start of the process to the first answer, warm cache',
    method: 'From spawning the process to the last byte of the answer to the first text.',
    tables: [
      {
        head: ['contestant', 'until', 'median ms', 'best ms', 'spread'],
        words: 2,
        rows: contestants.map(({ name, what }, at) => {
          const ms = found[at] ?? []
          return [name, what, fixed(median(ms)), fixed(Math.min(...ms)), percent(spread(ms))]
        }),
      },
    ],
    measurements: contestants.map(({ name }, at) => {
      return { name: `${name}, start`, unit: 'ms', passes: found[at] ?? [] }
    }),
    ratios: PRECISIONS.flatMap((precision) => {
      const ours = timesOf(context.own.server({ precision }).name)
      const inProcess = SAME_PRECISION[precision]
      const theirs = context.transformers.find(({ peer }) => peer === inProcess)
      const named = [
        ...started.map(({ name }) => ({ peer: 'tei', name })),
        { peer: inProcess, name: theirs?.name ?? '' },
      ]
      return named.flatMap(({ peer, name }) => {
        const times = timesOf(name)
        return ours && times ? [ratioOf(`start.${precision}.${peer}`, times, ours)] : []
      })
    }),
    notes: [],
  }
}

/** Milliseconds until a server on a known port has answered one text. @throws Error with what it said */
async function startOnce(spec: ServerSpec, address: Address): Promise<number> {
  const [program, ...args] = spec.command
  const start = performance.now()
  const child = spawn(program as string, args, {
    env: { ...process.env, ...spec.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit')
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000)
  })
  const request = buildPost(address, '/embed', '{"inputs":"A cat sleeps on the mat."}')
  const connection = new HttpConnection(address)
  try {
    for (;;) {
      const status = await connection.send(request).then(
        (answer) => answer.status,
        () => 0,
      )
      if (status === 200) return performance.now() - start
      if (child.exitCode !== null) throw new Error(`${spec.name} ended at start: ${said.trim()}`)
      if (performance.now() - start > DEADLINE_MS) throw new Error(`${spec.name} never answered`)
      await wait(POLL_MS)
    }
  } finally {
    connection.close()
    child.kill('SIGTERM')
    await exited
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
