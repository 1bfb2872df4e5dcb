import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Boot } from '../../../functions/boot/types.ts'
import type { EncoderManifest, GraphSpec } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { type NamedTensor, openSession } from '../../../shared/runtime/session.ts'
import type { BenchPrecision } from '../contestants/own.ts'
import { withScratchFolder } from '../lib/scratch-folder.ts'
import type { RunShape } from './run-products.ts'

/** Milliseconds of one run, by operator. */
export type OperatorTimes = ReadonlyMap<string, number>

const WARM_UPS = 3
const RUNS = 15
/** Word ids that every vocabulary of the BERT family has. */
const FIRST_WORD = 2000
const WORDS = 20_000

const eventsSchema = z.array(
  z.looseObject({
    cat: z.string().optional(),
    name: z.string(),
    dur: z.number().optional(),
    args: z.looseObject({ op_name: z.string().optional() }).optional(),
  }),
)

/**
 * Exports an encoder and runs its graph alone on one thread under ONNX Runtime's profiler, for every shape.
 * @param source a Hugging Face folder
 */
export async function profileOperators(
  boot: Boot,
  source: string,
  precision: BenchPrecision,
  shapes: readonly RunShape[],
): Promise<OperatorTimes[]> {
  return await withScratchFolder(async (folder) => {
    const artifact = join(folder, 'encoder')
    const manifest = await boot.exportEncoder({
      folder: source,
      output: artifact,
      precisions: [precision],
    })
    const found: OperatorTimes[] = []
    for (const [at, shape] of shapes.entries()) {
      const prefix = join(folder, `profile-${at}`)
      await runProfiled(artifact, manifest, precision, shape, prefix)
      found.push(await readProfile(folder, `profile-${at}`))
    }
    return found
  })
}

async function runProfiled(
  artifact: string,
  { graphs }: EncoderManifest,
  precision: BenchPrecision,
  shape: RunShape,
  profile: string,
): Promise<void> {
  const spec = graphs[precision] as GraphSpec
  const session = await openSession(join(artifact, spec.file), {
    optimization: 'disabled',
    profile,
  })
  const feeds: Record<string, NamedTensor> = {}
  for (const input of spec.inputs) feeds[input.name] = makeInput(input, shape)
  for (let run = 0; run < WARM_UPS + RUNS; run++) await session.run(feeds, [spec.embedding])
  await session.release()
}

function makeInput(
  { role, type }: GraphSpec['inputs'][number],
  { batch, width }: RunShape,
): NamedTensor {
  const random = createRandom(1)
  const length = batch * width
  const value = {
    ids: () => FIRST_WORD + random.below(WORDS),
    mask: () => 1,
    types: () => 0,
    pixels: () => random.below(256),
  }[role]
  const numbers = Array.from({ length }, value)
  const dims = [batch, width]
  if (type === 'float32') return { data: Float32Array.from(numbers), dims }
  if (type === 'int32') return { data: Int32Array.from(numbers), dims }
  return { data: BigInt64Array.from(numbers, BigInt), dims }
}

/** Least milliseconds of the runs after the warm-up, by operator. */
async function readProfile(folder: string, prefix: string): Promise<OperatorTimes> {
  const name = (await readdir(folder)).find((file) => file.startsWith(`${prefix}_`))
  if (name === undefined) throw new Error('ONNX Runtime wrote no profile')
  return sumOperators(JSON.parse(await readFile(join(folder, name), 'utf8')), WARM_UPS)
}

/**
 * Sums each run's kernel times by operator and takes the least over runs, which others on the machine disturb
 * least; `events` is a profile of ONNX Runtime.
 */
export function sumOperators(events: unknown, warmUps: number): OperatorTimes {
  const perNode = new Map<string, { readonly op: string; readonly micros: number[] }>()
  for (const { cat, name, dur, args } of eventsSchema.parse(events)) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || args?.op_name === undefined) continue
    const node = perNode.get(name) ?? { op: args.op_name, micros: [] }
    node.micros.push(dur ?? 0)
    perNode.set(name, node)
  }
  const runs: Map<string, number>[] = []
  for (const { op, micros } of perNode.values()) {
    for (const [run, value] of micros.slice(warmUps).entries()) {
      const sums = runs[run] ?? new Map<string, number>()
      sums.set(op, (sums.get(op) ?? 0) + value / 1000)
      runs[run] = sums
    }
  }
  const operators = [...new Set([...perNode.values()].map(({ op }) => op))]
  return new Map(operators.map((op) => [op, Math.min(...runs.map((sums) => sums.get(op) ?? 0))]))
}
