import { forkChild } from '../contestants/child.ts'
import { withRunning } from '../contestants/running.ts'
import { type StepTaker, type StepTimes, startTorch } from '../contestants/torch-peer.ts'
import { type BenchContext, passTeller } from '../context.ts'
import type { StepOptions, StepReply, StepRequest, StepShape } from '../finetune/protocol.ts'
import { interleave } from '../lib/interleave.ts'
import { median, spread } from '../lib/statistics.ts'
import { type Measurement, type PartResult, type Ratio, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'

/** Layers of the built-in encoder, and how many are trained on cached states. */
const [ALL_LAYERS, UPPER_LAYERS] = [6, 2]
const SHAPES: readonly StepShape[] = [
  { batch: 16, tokens: 32 },
  { batch: 32, tokens: 32 },
  { batch: 16, tokens: 64 },
]
const STEPS_PER_PASS = 5
const HEAD = ['layers', 'batch', 'threads', 'who', 'pass ms', 'step ms', 'spread', 'torch / ours']

interface Found {
  readonly rows: readonly (readonly string[])[]
  readonly measurements: readonly Measurement[]
  readonly ratios: readonly Ratio[]
  readonly details: readonly string[]
}

interface Contestant {
  readonly name: string
  readonly start: () => Promise<StepTaker>
}

/** How long a training step of the built-in encoder takes, beside PyTorch where it is there. */
export async function measureFinetune(context: BenchContext): Promise<PartResult> {
  const found: Found[] = []
  for (const layers of [ALL_LAYERS, UPPER_LAYERS]) {
    for (const threads of [1, 2]) found.push(await measureSet(context, layers, threads))
  }
  const details = new Set(found.flatMap((set) => set.details))
  return {
    title: 'Fine-tuning',
    method: `One training step of the built-in encoder, float32, cross-entropy with ${ALL_LAYERS} classes: all layers from token ids, or the last ${UPPER_LAYERS} on cached states. "pass" is forward and backward pass, "step" has clipping and AdamW as well; medians of ${STEPS_PER_PASS} steps a pass of the bench, batch as texts x tokens. ${[...details].join('; ')}.`,
    tables: [{ head: HEAD, words: 4, rows: found.flatMap(({ rows }) => rows) }],
    measurements: found.flatMap(({ measurements }) => measurements),
    ratios: found.flatMap(({ ratios }) => ratios),
    notes: context.torch === null ? ['PyTorch was not measured: set PEER_TORCH'] : [],
  }
}

async function measureSet(context: BenchContext, layers: number, threads: number): Promise<Found> {
  const contestants = chooseContestants(context, layers, threads)
  return await withRunning(
    contestants.map(({ start }) => start),
    async (takers) => {
      const found: Omit<Found, 'details'>[] = []
      for (const shape of SHAPES) {
        const label = `${nameLayers(layers)} ${shape.batch}x${shape.tokens} t${threads}`
        const times = await interleave(
          takers.map((taker) => () => taker.take(shape, STEPS_PER_PASS)),
          context.passes,
          passTeller(context, `finetune ${label}`),
        )
        found.push(describe(contestants, times, { layers, threads, shape, label }))
      }
      return {
        rows: found.flatMap(({ rows }) => rows),
        measurements: found.flatMap(({ measurements }) => measurements),
        ratios: found.flatMap(({ ratios }) => ratios),
        details: takers.flatMap(({ detail }) => (detail.includes('GFLOP') ? [detail] : [])),
      }
    },
  )
}

function chooseContestants(context: BenchContext, layers: number, threads: number): Contestant[] {
  const ours = (name: string, spin: boolean): Contestant => ({
    name,
    start: () => startOurs(context, { layers, threads, spin }),
  })
  const { torch, root } = context
  return [
    ours('espalier', false),
    ...(threads > 1 ? [ours('espalier, spinning', true)] : []),
    ...(torch === null
      ? []
      : [{ name: 'PyTorch', start: () => startTorch(torch, root, { layers, threads }) }]),
  ]
}

async function startOurs(context: BenchContext, options: StepOptions): Promise<StepTaker> {
  const child = await forkChild<StepRequest, StepReply>(context.own.steps(options))
  return {
    detail: child.detail,
    take: (shape, count) => child.ask({ kind: 'steps', ...shape, count }, 'steps'),
    stop: () => child.stop(),
  }
}

function describe(
  contestants: readonly Contestant[],
  times: readonly (readonly StepTimes[])[],
  {
    layers,
    threads,
    shape,
    label,
  }: { layers: number; threads: number; shape: StepShape; label: string },
): Omit<Found, 'details'> {
  const steps = times.map((passes) => passes.map(({ stepMs }) => stepMs))
  const torch = steps[contestants.findIndex(({ name }) => name === 'PyTorch')]
  const key = `finetune.${nameLayers(layers)}.${shape.batch}x${shape.tokens}.t${threads}`
  const ratios = contestants.map(({ name }, i) =>
    torch && name !== 'PyTorch'
      ? ratioOf(name === 'espalier' ? key : `${key}.spin`, torch, steps[i] as readonly number[])
      : null,
  )
  return {
    rows: contestants.map(({ name }, i) => [
      nameLayers(layers),
      `${shape.batch}x${shape.tokens}`,
      String(threads),
      name,
      fixed(median((times[i] ?? []).map(({ passMs }) => passMs)), 1),
      fixed(median(steps[i] ?? []), 1),
      percent(spread(steps[i] ?? [])),
      fixed(ratios[i]?.value, 2),
    ]),
    measurements: contestants.map(({ name }, i) => ({
      name: `finetune ${label}, ${name}`,
      unit: 'ms',
      passes: steps[i] ?? [],
    })),
    ratios: ratios.filter((ratio) => ratio !== null),
  }
}

function nameLayers(layers: number): string {
  return layers === ALL_LAYERS ? 'all' : `last${layers}`
}
