import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createBoot } from '../../../functions/boot/boot.ts'
import { startEngine } from '../contestants/engine-process.ts'
import { BUILTIN_FOLDER, canPin, PRECISIONS } from '../contestants/own.ts'
import { BERT_BASE, writeRandomEncoder } from '../contestants/random-encoder.ts'
import { withRunning } from '../contestants/running.ts'
import { targetStarts } from '../contestants/targets.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { type LoadClient, startLoadClient } from '../http/load-client.ts'
import { interleave } from '../lib/interleave.ts'
import { withScratchFolder } from '../lib/scratch-folder.ts'
import { median, quantile, spread } from '../lib/statistics.ts'
import { describeWorkloads, PROCESS_TEXTS, type Workload } from '../lib/workloads.ts'
import type { Measurement, PartResult, Table } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'

const ONE_BY_ONE = { name: '1x1', connections: 1, textsPerRequest: 1 }
/** A large encoder takes some eight times as long: fewer texts, and fewer to find its int8 ranges. */
const LARGE_TEXTS = { short: 128, mixed: 64, long: 16 }
const CALIBRATION_TEXTS = 64

interface Section {
  readonly method: string
  readonly table: Table
  readonly measurements: readonly Measurement[]
}

/** Shapes without floors: a function's single core, and an encoder of BERT-base's size. */
export async function measureShapes(context: BenchContext): Promise<PartResult> {
  const single = await measureSingleCore(context)
  const large = await measureLargeEncoder(context)
  return {
    title: 'Other shapes',
    method: `${single.method} ${large.method}`,
    tables: [single.table, large.table],
    measurements: [...single.measurements, ...large.measurements],
    ratios: [],
    notes: [],
  }
}

/** One worker on one core, one text a request, one caller: what a serverless instance sees. */
async function measureSingleCore(context: BenchContext): Promise<Section> {
  const workloads = context.workloads(PROCESS_TEXTS)
  const pins = canPin()
  const choice = { workers: 1, ...(pins && { core: 0 }) }
  const client = context.own.client(pins && context.cores > 1 ? 1 : undefined)
  const rows: string[][] = []
  const measurements: Measurement[] = []
  const ours = { ...context, servers: [] }
  await withRunning([() => startLoadClient(client)], ([load]) =>
    withRunning(targetStarts(ours, choice), async (targets) => {
      for (const { name, texts } of workloads) {
        const results = await interleave(
          targets.map(({ address }) => () => {
            return (load as LoadClient).runClosed(address, texts, ONE_BY_ONE)
          }),
          context.passes,
          passTeller(context, `shapes: one core, ${name}`),
        )
        for (const [at, target] of targets.entries()) {
          const passes = results[at] ?? []
          const ms = passes.map((pass) => pass.ms)
          const times = [0.5, 0.99].map((q) =>
            fixed(median(passes.map(({ latenciesMs }) => quantile(latenciesMs, q))), 2),
          )
          const speed = fixed((1000 * texts.length) / median(ms))
          rows.push([target.name, name, speed, ...times, percent(spread(ms))])
          measurements.push({ name: `${target.name}, one core, ${name}`, unit: 'ms', passes: ms })
        }
      }
    }),
  )
  const bound = pins ? 'bound to one core' : 'not bound to a core, since this system cannot'
  return {
    method: `First: a server with one worker, ${bound}, and one caller with one text a request; ${describeWorkloads(workloads)}.`,
    table: {
      head: ['one core', 'workload', 'texts/s', 'p50 ms', 'p99 ms', 'spread'],
      words: 2,
      rows,
    },
    measurements,
  }
}

/** An encoder of 12 layers × 768 with random weights, in process. */
async function measureLargeEncoder(context: BenchContext): Promise<Section> {
  const workloads = context.workloads(LARGE_TEXTS)
  const { rows, measurements } = await withScratchFolder(async (folder) => {
    const models = await exportLarge(context, folder)
    const starts = models.map(({ precision, model }) => {
      return () => startEngine(context.own.engine({ precision, model }))
    })
    return await withRunning(starts, async (engines) => {
      const found = { rows: [] as string[][], measurements: [] as Measurement[] }
      for (const { name, texts } of workloads) {
        const replies = await interleave(
          engines.map((engine) => () => engine.encode(texts)),
          context.passes,
          passTeller(context, `shapes: 12 × 768, ${name}`),
        )
        for (const [at, engine] of engines.entries()) {
          const ms = (replies[at] ?? []).map((reply) => reply.ms)
          const tokens = replies[at]?.[0]?.tokens?.reduce((sum, count) => sum + count, 0)
          const speeds = [texts.length, tokens ?? Number.NaN].map((n) => (1000 * n) / median(ms))
          const cells = speeds.map((speed) => fixed(speed))
          found.rows.push([engine.name, name, ...cells, percent(spread(ms))])
          const what = `${engine.name}, 12 × 768, ${name}`
          found.measurements.push({ name: what, unit: 'ms', passes: ms })
        }
      }
      return found
    })
  })
  return {
    method: `Second: an encoder of BERT-base's size (12 layers × 768) with random weights, in process; ${describeWorkloads(workloads)}.`,
    table: { head: ['12 × 768', 'workload', 'texts/s', 'tokens/s', 'spread'], words: 2, rows },
    measurements,
  }
}

async function exportLarge(context: BenchContext, folder: string) {
  context.say('shapes: writing and exporting a random encoder of 12 × 768')
  const boot = createBoot({ root: pathToFileURL(`${context.root}/`), version: 'bench' })
  const source = join(folder, 'bert-base-random')
  await writeRandomEncoder(source, BERT_BASE, join(context.root, BUILTIN_FOLDER))
  const calibration = join(folder, 'calibration.txt')
  await writeFile(calibration, calibrationTexts(context.workloads(PROCESS_TEXTS)).join('\n'))
  const models = []
  for (const precision of PRECISIONS) {
    const model = join(folder, precision)
    await boot.exportEncoder({
      folder: source,
      output: model,
      precisions: [precision],
      calibration,
    })
    models.push({ precision, model })
  }
  return models
}

function calibrationTexts(workloads: readonly Workload[]): string[] {
  const texts = workloads
    .filter(({ name }) => name !== 'long')
    .flatMap((workload) => workload.texts)
  const step = Math.max(1, Math.floor(texts.length / CALIBRATION_TEXTS))
  return texts.filter((_, at) => at % step === 0).map((text) => text.replaceAll(/\s+/g, ' '))
}
