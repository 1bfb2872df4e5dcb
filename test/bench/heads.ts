import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Boot } from '../../functions/boot.ts'
import type { Encoder } from '../../shared/encoder/types.ts'
import { encodeHead } from '../../shared/head/encode.ts'
import type { Head } from '../../shared/head/head.ts'
import { quantizeRows } from '../../shared/head/neighbours.ts'
import { systemClock } from '../../shared/lib/clock.ts'
import { createRandom } from '../../shared/lib/random.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openMemoryStore } from '../../shared/registry/store-memory.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { classify } from '../../shared/service/classify.ts'
import { describeHead, HEAD_FILE } from '../../shared/service/head-version.ts'
import { createLiveModels } from '../../shared/service/live-models.ts'
import { median, spread } from './statistics.ts'

const REQUEST_TEXTS = 32
const CONNECTIONS = 4
const LIMITS = { maxInputs: REQUEST_TEXTS, maxTextBytes: 1_000_000 }
const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const

/** What one set of heads cost. */
export interface HeadsRow {
  readonly name: string
  readonly textsPerSecond: number
  /** Median over passes of the speed divided by that of the bare encoder in the same pass. */
  readonly ratioToNone: number
  /** The same, divided by that of one head of the kind. */
  readonly ratioToOne: number
  readonly spread: number
  /** Longest time that the serving thread was held, milliseconds, over all passes. */
  readonly longestBlockMs: number
}

interface Shape {
  readonly kind: string
  readonly classes: number
  readonly memoryRows: number
  readonly counts: readonly number[]
}

/** A voice assistant's size, Banking77's, and Banking77's with the memory of all its rows. */
const SHAPES: readonly Shape[] = [
  { kind: '10 labels', classes: 10, memoryRows: 0, counts: [1, 10, 100] },
  { kind: '77 labels', classes: 77, memoryRows: 0, counts: [1, 10] },
  { kind: '77 labels, 8,000 neighbours', classes: 77, memoryRows: 8000, counts: [1] },
]

/** Classifies the texts with growing numbers of heads, turn by turn within each pass. */
export async function measureHeads(
  boot: Boot,
  texts: readonly string[],
  passes: number,
  onPass: (text: string) => void,
): Promise<HeadsRow[]> {
  const encoder = await boot.openEncoder({ precision: 'int8' })
  const registry = openRegistry(openMemoryStore())
  for (const shape of SHAPES) await publishHeads(registry, encoder, shape)
  const classifiers = createLiveModels({
    encoder,
    registry,
    follow: 'request',
    pollMs: 3_600_000,
    headsBytes: 268_435_456,
    waitMs: 60_000,
    maxStackColumns: 65_536,
    clock: systemClock,
    log: boot.log,
  })
  const deps = { encoder, classifiers, limits: LIMITS }
  const cases = SHAPES.flatMap(({ kind, counts }) =>
    counts.map((count) => ({ kind, count, model: namesOf(kind, count) })),
  )
  const runs = [
    (inputs: readonly string[]) => encoder.encode(inputs, OPTIONS),
    ...cases.map(({ model }) => (inputs: readonly string[]) => {
      return classify(deps, { inputs, field: 'inputs', model })
    }),
  ]
  const times = runs.map((): number[] => [])
  const blocks = runs.map(() => 0)
  for (let pass = 0; pass <= passes; pass++) {
    onPass(`heads: pass ${pass} of ${passes}`)
    for (const index of runs.keys()) {
      const at = (index + pass) % runs.length
      const delay = monitorEventLoopDelay({ resolution: 1 })
      delay.enable()
      const ms = await runAll(texts, runs[at]!)
      delay.disable()
      if (pass === 0) continue
      times[at]!.push(ms)
      blocks[at] = Math.max(blocks[at]!, delay.max / 1e6)
    }
  }
  await classifiers.close()
  await encoder.close()
  const ratio = (to: number, at: number) =>
    median(times[at]!.map((ms, pass) => times[to]![pass]! / ms))
  return runs.map((_, at) => {
    const own = cases[at - 1]
    const one = own ? 1 + cases.findIndex(({ kind }) => kind === own.kind) : 0
    return {
      name: own ? `${own.count} × ${own.kind}` : 'none',
      textsPerSecond: (1000 * texts.length) / median(times[at]!),
      ratioToNone: ratio(0, at),
      ratioToOne: ratio(one, at),
      spread: spread(times[at]!),
      longestBlockMs: blocks[at]!,
    }
  })
}

/** The section of the report. */
export function renderHeads(rows: readonly HeadsRow[]): string[] {
  return [
    '',
    '## Classifiers on one text, int8',
    '',
    `${CONNECTIONS} requests of ${REQUEST_TEXTS} short texts at a time, in process; each head with its detector. The last column is the longest time that the serving thread was held.`,
    '',
    '| heads | texts/s | against none | against one | spread | longest block |',
    '|---|---:|---:|---:|---:|---:|',
    ...rows.map(
      (row) =>
        `| ${row.name} | ${row.textsPerSecond.toFixed(0)} | ${row.ratioToNone.toFixed(3)} | ${row.ratioToOne.toFixed(3)} | ${(100 * row.spread).toFixed(0)} % | ${row.longestBlockMs.toFixed(1)} ms |`,
    ),
  ]
}

async function runAll(
  texts: readonly string[],
  run: (inputs: readonly string[]) => Promise<unknown>,
): Promise<number> {
  const started = performance.now()
  let next = 0
  const connection = async (): Promise<void> => {
    while (next < texts.length) {
      const from = next
      next += REQUEST_TEXTS
      await run(texts.slice(from, from + REQUEST_TEXTS))
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, connection))
  return performance.now() - started
}

function namesOf(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${kind.replaceAll(/[^0-9a-z]+/g, '-')}-${i}`)
}

async function publishHeads(
  registry: Registry,
  { info }: Encoder,
  { kind, classes, memoryRows, counts }: Shape,
): Promise<void> {
  for (const [seed, name] of namesOf(kind, Math.max(...counts)).entries()) {
    const head = makeHead(info, classes, memoryRows, seed)
    const bytes = encodeHead(head)
    const about = { method: 'softmax', why: 'bench', headBytes: bytes.byteLength }
    const { version } = await registry.publish({
      name,
      kind: 'classifier',
      family: head.family,
      metadata: describeHead(head, about),
      files: [{ path: HEAD_FILE, source: { bytes } }],
    })
    await registry.promote(name, version.version, { alias: 'champion' })
  }
}

function makeHead(
  { family, dimension }: Encoder['info'],
  classes: number,
  memoryRows: number,
  seed: number,
): Head {
  const random = createRandom(seed)
  const numbers = (length: number) => Float32Array.from({ length }, () => 2 * random.next() - 1)
  const memory = memoryRows > 0 && {
    ...quantizeRows(numbers(memoryRows * dimension), dimension),
    labels: Int32Array.from({ length: memoryRows }, (_, row) => row % classes),
    k: 10,
    temperature: 0.05,
    weight: 0.3,
  }
  return {
    family,
    dimension,
    labels: Array.from({ length: classes }, (_, label) => `label ${label}`),
    activation: 'softmax',
    weights: numbers(classes * dimension),
    bias: numbers(classes),
    temperature: 0.5,
    memory: memory || null,
    adjustment: null,
    thresholds: null,
    detector: {
      projection: numbers(classes * dimension),
      offset: numbers(classes),
      means: numbers(classes * classes),
      background: numbers(classes).map(Math.abs),
      threshold: 0,
    },
  }
}
