import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { createBoot } from '../../../functions/boot/boot.ts'
import type { Encoder } from '../../../shared/encoder/types.ts'
import { systemClock } from '../../../shared/lib/clock.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openMemoryStore } from '../../../shared/registry/stores/memory/store.ts'
import { classify } from '../../../shared/serving/classify.ts'
import { createLiveModels } from '../../../shared/serving/live/live-models.ts'
import { AnswerWatch } from '../../../shared/serving/watch/answer-watch.ts'
import { createFixedSupply } from '../../fakes/fixed-supply.ts'
import { type BenchContext, passTeller } from '../context.ts'
import { interleave } from '../lib/interleave.ts'
import { median, spread } from '../lib/statistics.ts'
import { PROCESS_TEXTS } from '../lib/workloads.ts'
import { type PartResult, ratioOf } from '../report/part-result.ts'
import { fixed, percent } from '../report/table.ts'
import { type HeadShape, headNames, publishHeads } from './make-heads.ts'

const REQUEST_TEXTS = 32
const CONNECTIONS = 4
const LIMITS = {
  maxInputs: REQUEST_TEXTS,
  maxTextBytes: 1_000_000,
  maxImages: 1,
  maxImageBytes: 1,
}
const OPTIONS = { truncate: true, truncationDirection: 'right', normalize: true } as const

type Run = (inputs: readonly string[]) => Promise<unknown>

/** Bare affine heads; a voice assistant's and Banking77's with detectors; Banking77's with the memory of its rows. */
const SHAPES: readonly (HeadShape & {
  readonly key: string
  readonly counts: readonly number[]
})[] = [
  {
    key: 'affine10',
    kind: '10 labels, affine alone',
    classes: 10,
    detector: false,
    memoryRows: 0,
    counts: [1, 10, 100],
  },
  {
    key: 'detector10',
    kind: '10 labels',
    classes: 10,
    detector: true,
    memoryRows: 0,
    counts: [1, 10, 100],
  },
  {
    key: 'detector77',
    kind: '77 labels',
    classes: 77,
    detector: true,
    memoryRows: 0,
    counts: [1, 10],
  },
  {
    key: 'memory77',
    kind: '77 labels, 8,000 neighbours',
    classes: 77,
    detector: true,
    memoryRows: 8000,
    counts: [1],
  },
]

/** What growing numbers of classifiers on every text cost. */
export async function measureHeads(context: BenchContext): Promise<PartResult> {
  const [short] = context.workloads(PROCESS_TEXTS)
  const texts = short?.texts ?? []
  const { runs, close } = await openRuns(context.root)
  try {
    const results = await interleave(
      runs.map(
        ({ run }) =>
          () =>
            timeRun(texts, run),
      ),
      context.passes,
      passTeller(context, 'heads'),
    )
    const found = runs.map(({ name, key }, at) => {
      const passes = results[at] ?? []
      return {
        name,
        ms: passes.map(({ ms }) => ms),
        blockMs: Math.max(...passes.map(({ blockMs }) => blockMs)),
        ratio: ratioOf(`heads.${key}`, timesOf(results[0]), timesOf(passes)),
      }
    })
    return {
      title: 'Classifiers on one text, int8',
      method: `${CONNECTIONS} requests of ${REQUEST_TEXTS} short texts at a time, in process; heads with their detector unless they are called affine alone. The last column is the longest time that the serving thread was held.`,
      tables: [
        {
          head: ['heads', 'texts/s', 'against none', 'spread', 'longest block, ms'],
          words: 1,
          rows: found.map(({ name, ms, ratio, blockMs }) => [
            name,
            fixed((1000 * texts.length) / median(ms)),
            fixed(ratio.value, 3),
            percent(spread(ms)),
            fixed(blockMs, 1),
          ]),
        },
      ],
      measurements: found.map(({ name, ms }) => {
        return { name: `heads, ${name}`, unit: 'ms', passes: ms }
      }),
      ratios: found.slice(1).map(({ ratio }) => ratio),
      notes: [],
    }
  } finally {
    await close()
  }
}

interface Case {
  readonly name: string
  readonly key: string
  readonly run: Run
  close(): Promise<void>
}

/** The bare encoder first, then every number of heads of every kind, each on an encoder of its own. */
async function openRuns(
  root: string,
): Promise<{ readonly runs: readonly Case[]; close(): Promise<void> }> {
  const boot = createBoot({ root: pathToFileURL(`${root}/`), version: 'bench' })
  const open = () => boot.openEncoder({ precision: 'int8', longJobs: false })
  const bare = await open()
  const runs: Case[] = [
    {
      name: 'none',
      key: 'none',
      run: (inputs) => bare.encode(inputs, OPTIONS),
      close: () => bare.close(),
    },
  ]
  for (const shape of SHAPES) {
    for (const count of shape.counts) runs.push(await openCase(await open(), shape, count))
  }
  return {
    runs,
    async close() {
      for (const each of runs) await each.close()
    },
  }
}

async function openCase(
  encoder: Encoder,
  shape: (typeof SHAPES)[number],
  count: number,
): Promise<Case> {
  const registry = openRegistry(openMemoryStore())
  await publishHeads(registry, encoder, shape, count)
  const classifiers = createLiveModels({
    supply: createFixedSupply(encoder),
    registry,
    follow: 'request',
    pollMs: 3_600_000,
    headsBytes: 268_435_456,
    waitMs: 60_000,
    maxStackColumns: 65_536,
    clock: systemClock,
    log: silentLogger,
  })
  const watch = new AnswerWatch({ window: 1000, clock: systemClock, log: silentLogger })
  const deps = { encoder, classifiers, watch, limits: LIMITS }
  const model = headNames(shape, count)
  return {
    name: `${count} × ${shape.kind}`,
    key: `${shape.key}.${count}`,
    run: (inputs) => classify(deps, { inputs, field: 'inputs', model }),
    async close() {
      await classifiers.close()
      await encoder.close()
    },
  }
}

async function timeRun(
  texts: readonly string[],
  run: Run,
): Promise<{ readonly ms: number; readonly blockMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
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
  const ms = performance.now() - started
  delay.disable()
  return { ms, blockMs: delay.max / 1e6 }
}

function timesOf(passes: readonly { readonly ms: number }[] = []): number[] {
  return passes.map(({ ms }) => ms)
}
