import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { createBoot } from '../../functions/boot.ts'
import { type ColdStart, measureColdStart } from './cold-start.ts'
import { runEngine } from './engine.ts'
import { type EngineProcess, type EngineSpec, startEngine } from './engine-process.ts'
import { type HeadsRow, measureHeads } from './heads.ts'
import { describeMachine } from './machine.ts'
import { preparePeers } from './peer.ts'
import { type BenchReport, findDoubts, renderMarkdown } from './report.ts'
import { measureThroughput } from './throughput.ts'
import { loadWorkloads } from './workloads.ts'

const USAGE = `npm run bench -- [embed] [heads] [start] [options]

  embed            texts/s and tokens/s in process, beside @huggingface/transformers
  heads            the same with classifiers on every text
  start            process start to first answer over HTTP, warm cache
  (none: all)

  --passes N       measured passes, and starts; default 5
  --full           every text of each workload instead of its head
  --only TEXT      only engines whose name contains TEXT
  --json FILE      write everything found as JSON, too
  PEER_MODEL=DIR   model of the peer: see test/bench/peers/make-peer-model.py`

const PARTS = ['embed', 'heads', 'start']
const PRECISIONS = ['int8', 'float32'] as const
const dist = dirname(fileURLToPath(import.meta.url))
const root = join(dist, '..')

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === 'engine') return runEngine(args[1] ?? 'int8', pathToFileURL(`${root}/`))
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      passes: { type: 'string', default: '5' },
      full: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const unknown = positionals.find((name) => !PARTS.includes(name))
  const passes = Number(values.passes)
  if (values.help || unknown !== undefined || !Number.isInteger(passes) || passes < 1) {
    process.stderr.write(`${USAGE}\n`)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const wants = (name: string) => positionals.length === 0 || positionals.includes(name)
  const empty = { engines: [], workloads: [], throughput: [], notes: [] }
  const machine = describeMachine()
  const embed = wants('embed') ? await benchEmbed(passes, values.full, values.only) : empty
  const heads = wants('heads') ? await benchHeads(passes) : []
  const coldStart = wants('start') ? await benchStart(passes) : []
  const notes = [...embed.notes, ...findDoubts(machine, embed.throughput)]
  const report: BenchReport = { machine, passes, ...embed, heads, coldStart, notes }
  process.stdout.write(renderMarkdown(report))
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
  }
}

async function benchEmbed(
  passes: number,
  full: boolean,
  only: string,
): Promise<Pick<BenchReport, 'engines' | 'workloads' | 'throughput' | 'notes'>> {
  const peers = preparePeers(root, process.env.PEER_MODEL)
  const own = PRECISIONS.map(
    (precision): EngineSpec => ({
      name: `espalier ${precision}`,
      script: join(dist, 'bench.js'),
      args: ['engine', precision],
    }),
  )
  // float32 first: the baseline of ratios and of cosines.
  const specs = [...own.reverse(), ...peers.specs].filter(({ name }) => name.includes(only))
  const workloads = loadWorkloads(root, full)
  const engines: EngineProcess[] = []
  try {
    for (const spec of specs) {
      say(`starting ${spec.name}`)
      engines.push(await startEngine(spec))
    }
    const throughput = await measureThroughput(engines, workloads, passes, say)
    return {
      engines: engines.map(({ name, detail, startMs }) => ({ name, detail, startMs })),
      workloads: workloads.map(({ name, source }) => ({ name, source })),
      throughput,
      notes: peers.notes,
    }
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()))
  }
}

async function benchHeads(passes: number): Promise<HeadsRow[]> {
  const boot = createBoot({ root: pathToFileURL(`${root}/`), version: 'bench' })
  const [short] = loadWorkloads(root, false)
  return await measureHeads(boot, short?.texts ?? [], passes, say)
}

async function benchStart(runs: number): Promise<ColdStart[]> {
  const found: ColdStart[] = []
  for (const precision of PRECISIONS) {
    found.push(await measureColdStart(join(dist, 'cli.js'), precision, runs, say))
  }
  return found
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

await main(process.argv.slice(2))
