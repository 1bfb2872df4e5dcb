import { setTimeout as wait } from 'node:timers/promises'
import { startEngine } from '../contestants/engine-process.ts'
import { PRECISIONS } from '../contestants/own.ts'
import { withRunning } from '../contestants/running.ts'
import { targetStarts } from '../contestants/targets.ts'
import type { BenchContext } from '../context.ts'
import { type LoadClient, startLoadClient } from '../http/load-client.ts'
import { type ProcessMemory, readProcessMemory } from '../lib/process-memory.ts'
import { HTTP_TEXTS } from '../lib/workloads.ts'
import type { PartResult, Ratio } from '../report/part-result.ts'
import { fixed } from '../report/table.ts'
import { SAME_PRECISION } from './compare.ts'

const WORKERS = 2
const ROUNDS = 3
/** After the load, for what is freed late. */
const SETTLE_MS = 2000
const LOAD = { name: '4x32', connections: 4, textsPerRequest: 32 }

interface Found {
  readonly name: string
  readonly memory: ProcessMemory
}

/** Memory that a server holds after a load of mixed texts, and the most that it took. */
export async function measureMemory(context: BenchContext): Promise<PartResult> {
  const texts = context.workloads(HTTP_TEXTS)[1]?.texts ?? []
  const servers = await measureServers(context, texts)
  const engines = await measureEngines(context, texts)
  const found = [...servers, ...engines]
  return {
    title: 'Memory of the process, MiB',
    method: `After ${ROUNDS} rounds of ${texts.length} mixed texts over 4 connections (the peer in process: the same texts) and ${SETTLE_MS / 1000} s of rest; ours with ${WORKERS} workers. RSS counts shared pages in full, PSS by share; the peak includes loading.`,
    tables: [
      {
        head: ['process', 'RSS', 'PSS', 'peak RSS'],
        words: 1,
        rows: found.map(({ name, memory: { rssMib, pssMib, peakMib } }) => {
          return [name, fixed(rssMib), fixed(pssMib), fixed(peakMib)]
        }),
      },
    ],
    measurements: found.flatMap(({ name, memory: { rssMib } }) =>
      rssMib === null ? [] : [{ name: `${name}, RSS`, unit: 'MiB', passes: [rssMib] }],
    ),
    ratios: compareMemory(context, found),
    notes: found
      .filter(({ memory }) => memory.rssMib === null)
      .map(({ name }) => `the memory of ${name} cannot be read on this system`),
  }
}

async function measureServers(context: BenchContext, texts: readonly string[]): Promise<Found[]> {
  const found: Found[] = []
  await withRunning([() => startLoadClient(context.own.client())], async ([client]) => {
    // One after another: what one process maps must not lighten the other's share.
    for (const start of targetStarts(context, { workers: WORKERS })) {
      await withRunning([start], async ([target]) => {
        if (!target) return
        context.say(`memory: loading ${target.name}`)
        for (let round = 0; round < ROUNDS; round++) {
          await (client as LoadClient).runClosed(target.address, texts, LOAD)
        }
        found.push({ name: target.name, memory: await readSettled(target.pid) })
      })
    }
  })
  return found
}

async function measureEngines(context: BenchContext, texts: readonly string[]): Promise<Found[]> {
  const found: Found[] = []
  for (const spec of context.transformers.filter(({ name }) => context.wants(name))) {
    await withRunning([() => startEngine(spec)], async ([engine]) => {
      if (!engine) return
      context.say(`memory: loading ${engine.name}`)
      for (let round = 0; round < ROUNDS; round++) await engine.encode(texts)
      found.push({ name: engine.name, memory: await readSettled(engine.pid) })
    })
  }
  return found
}

async function readSettled(pid: number | null): Promise<ProcessMemory> {
  await wait(SETTLE_MS)
  return pid === null ? { rssMib: null, pssMib: null, peakMib: null } : readProcessMemory(pid)
}

/** Peers' resident memory divided by ours; of the peer in process the leaner way to call it counts. */
function compareMemory({ own, servers, transformers }: BenchContext, found: Found[]): Ratio[] {
  const leanest = (names: readonly string[]): number => {
    const known = found.filter(({ name }) => names.includes(name))
    return Math.min(...known.map(({ memory }) => memory.rssMib ?? Number.POSITIVE_INFINITY))
  }
  return PRECISIONS.flatMap((precision) => {
    const ours = leanest([own.server({ precision }).name])
    const inProcess = SAME_PRECISION[precision]
    const names = transformers.filter(({ peer }) => peer === inProcess).map(({ name }) => name)
    const others = [
      ...servers.map(({ peer, name }) => ({ peer, theirs: leanest([name]) })),
      { peer: inProcess, theirs: leanest(names) },
    ]
    return others
      .filter(({ theirs }) => Number.isFinite(theirs) && Number.isFinite(ours))
      .map(({ peer, theirs }) => {
        return { key: `memory.${precision}.${peer}`, value: theirs / ours, spread: 0 }
      })
  })
}
