import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { BulkSummary } from '../../../shared/bulk/run-bulk.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { type EngineProcess, startEngine } from '../contestants/engine-process.ts'
import { withRunning } from '../contestants/running.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { interleave } from '../lib/interleave.ts'
import { readProcessMemory } from '../lib/process-memory.ts'
import { readProcessTime } from '../lib/process-time.ts'
import { withScratchFolder } from '../lib/scratch-folder.ts'
import { median, spread } from '../lib/statistics.ts'
import { type PartResult, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'

const ROWS = 20_000
const FULL_ROWS = 100_000
const FILES = 10
/** Texts of one call of the bare engine. */
const CALL_TEXTS = 8_192
const POLL_MS = 50
const FORMATS = ['jsonl', 'npy'] as const

/** One run over all rows. */
interface Run {
  readonly tokens: number
  readonly ms: number
  /** Processor time, of a command with its start; 0 where the system does not tell. */
  readonly cpuMs: number
  readonly peakMib: number
}

/** `espalier bulk` from files to files, beside the engine alone on the same rows. */
export async function measureBulk(context: BenchContext): Promise<PartResult> {
  const { texts, source } = makeRows(context)
  return withScratchFolder(async (folder) => {
    const input = join(folder, 'in')
    await writeRows(input, texts)
    const start = () => startEngine(context.own.engine({ precision: 'int8', longJobs: true }))
    return withRunning([start], async ([engine]) => {
      const names = ['the engine alone', ...FORMATS.map((to) => `bulk, ${to}`)]
      const runs = [
        () => runEngine(engine!, texts),
        ...FORMATS.map((to) => () => runBulk(context, input, join(folder, 'out'), to)),
      ]
      const found = await interleave(runs, context.passes, passTeller(context, 'bulk'))
      const perToken = found.map((passes) => passes.map(({ ms, tokens }) => ms / tokens))
      const cpuPerToken = found.map((passes) => passes.map(({ cpuMs, tokens }) => cpuMs / tokens))
      const knowsCpu = cpuPerToken.flat().every((ms) => ms > 0)
      return {
        title: 'Bulk',
        method: `${texts.length} rows (${source}) in ${FILES} files of JSON lines, from the opened encoder to the last result on disk, processor time from the start of the command; the engine alone, opened as the command opens it, gets the same texts, ${CALL_TEXTS} a call, in memory.`,
        tables: [
          {
            head: [
              'what',
              'rows/s',
              'tokens/s',
              'of the engine',
              'spread',
              'CPU µs/token',
              'peak MiB',
            ],
            words: 1,
            rows: names.map((name, at) => {
              const ms = found[at]!.map((run) => run.ms)
              const share = ratioOf('', perToken[0]!, perToken[at]!).value
              const peak = Math.max(...found[at]!.map((run) => run.peakMib))
              return [
                name,
                fixed((1000 * texts.length) / median(ms)),
                fixed(1000 / median(perToken[at]!)),
                percent(share),
                percent(spread(ms)),
                knowsCpu ? fixed(1000 * median(cpuPerToken[at]!), 1) : '',
                at === 0 ? '' : fixed(peak),
              ]
            }),
          },
        ],
        measurements: names.map((name, at) => ({
          name: `${name}, ${texts.length} rows`,
          unit: 'ms',
          passes: found[at]!.map((run) => run.ms),
        })),
        ratios: FORMATS.flatMap((to, at) => [
          ratioOf(`bulk.${to}.engine`, perToken[0]!, perToken[at + 1]!),
          ...(knowsCpu
            ? [ratioOf(`bulk.${to}.engine-cpu`, cpuPerToken[0]!, cpuPerToken[at + 1]!)]
            : []),
        ]),
        notes: [],
      }
    })
  })
}

/** Halves of sentences joined to new ones, so that no two rows are likely to be the same. */
function makeRows(context: BenchContext): { texts: string[]; source: string } {
  const [short, mixed] = context.workloads({ short: 2_000, mixed: 512, long: 1 })
  // Only `--full` gives a workload all of its texts.
  const isFull = context.workloads({ short: 1, mixed: 1, long: 1 })[0]!.texts.length > 1
  const folder = join(context.root, '..', 'shared', 'data')
  const utterances = readUtterances(folder)
  const sentences = utterances ?? [...short!.texts, ...mixed!.texts]
  const words = sentences.map((sentence) => sentence.split(' '))
  const random = createRandom(7)
  const texts = Array.from({ length: isFull ? FULL_ROWS : ROWS }, () => {
    const [a, b] = [words[random.below(words.length)]!, words[random.below(words.length)]!]
    return [...a.slice(0, Math.ceil(a.length / 2)), ...b.slice(b.length >> 1)].join(' ')
  })
  return { texts, source: utterances ? 'halves of SNIPS and CLINC150' : 'halves of workloads' }
}

function readUtterances(folder: string): string[] | null {
  const [snips, clinc] = [
    join(folder, 'snips/train/seq.in'),
    join(folder, 'clinc150/data_full.json'),
  ]
  if (!existsSync(snips) || !existsSync(clinc)) return null
  const lines = readFileSync(snips, 'utf8').trim().split('\n')
  const { train } = JSON.parse(readFileSync(clinc, 'utf8')) as { train: [string, string][] }
  return [...lines, ...train.map(([text]) => text)]
}

async function writeRows(folder: string, texts: readonly string[]): Promise<void> {
  await mkdir(folder)
  const each = Math.ceil(texts.length / FILES)
  for (let file = 0; file < FILES; file++) {
    const lines = texts
      .slice(file * each, (file + 1) * each)
      .map((text, row) => `${JSON.stringify({ id: file * each + row, text })}\n`)
    await writeFile(join(folder, `part-${file}.jsonl`), lines.join(''))
  }
}

async function runEngine(engine: EngineProcess, texts: readonly string[]): Promise<Run> {
  let [ms, tokens] = [0, 0]
  const before = readProcessTime(engine.pid)
  for (let at = 0; at < texts.length; at += CALL_TEXTS) {
    const reply = await engine.encode(texts.slice(at, at + CALL_TEXTS))
    ms += reply.ms
    for (const count of reply.tokens ?? []) tokens += count
  }
  const cpuMs = (readProcessTime(engine.pid) ?? 0) - (before ?? 0)
  return { ms, tokens, cpuMs, peakMib: 0 }
}

/** @throws Error with what the command said */
async function runBulk(
  { root }: BenchContext,
  input: string,
  output: string,
  to: (typeof FORMATS)[number],
): Promise<Run> {
  await rm(output, { recursive: true, force: true })
  const argv = ['bulk', input, '--output', output, '--to', to, '--json', '--quiet']
  const child = spawn(process.execPath, [join(root, 'dist', 'cli.js'), ...argv], {
    env: { ...process.env, ESPALIER_REGISTRY: 'memory:', ESPALIER_PRECISION: 'int8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [said, wrong] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    wrong += chunk.toString()
  })
  const closed = once(child, 'close')
  let [peakMib, cpuMs] = [0, 0]
  while (child.exitCode === null && child.signalCode === null) {
    peakMib = Math.max(peakMib, readProcessMemory(child.pid ?? 0).peakMib ?? 0)
    cpuMs = readProcessTime(child.pid ?? 0) ?? cpuMs
    await wait(POLL_MS)
  }
  await closed
  if (child.exitCode !== 0) throw new Error(`espalier bulk failed: ${wrong}`)
  const { tokens, seconds } = JSON.parse(said) as BulkSummary & { seconds: number }
  return { tokens, ms: 1000 * seconds, cpuMs, peakMib }
}
