import { join } from 'node:path'
import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import {
  type Precision,
  precisionSchema,
  type TextEncoderManifest,
} from '../../lib/manifests/encoder-manifest.ts'
import { option, say } from '../../lib/wording.ts'
import { createEngine, goldenJob } from '../../runtime/open-engine.ts'
import { fromWireError } from '../../runtime/protocol.ts'
import { readJsonFile } from '../source/json-file.ts'

/** Different enough to exercise length, script and punctuation; ours to ship. */
const GOLDEN_TEXTS = [
  'A quick test sentence.',
  'How do I change the delivery address of my order?',
  '¿Dónde está la biblioteca? 12,5 % — naïve',
  'The museum lends paintings to schools during the winter, and the children draw what they see in them for their parents.',
]
const VECTOR_DIGITS = 6
/** Cosine that a load must reach: rounding differs between instruction sets, and int8 may tip a step. */
const MIN_COSINE: Readonly<Record<Precision, number>> = {
  float32: 0.99999,
  float16: 0.999,
  int8: 0.999,
}
/** Below this cosine to float32 a quantised graph is of no use, and calibration texts are to blame. */
const MIN_INT8_COSINE = 0.9

const goldenSchema = z.object({
  golden: z.array(
    z.object({
      text: z.string(),
      vectors: z.partialRecord(precisionSchema, z.array(z.number())),
    }),
  ),
})

/** Vectors that ship with a folder (`golden.json`), or null. */
export async function readGolden(folder: string): Promise<TextEncoderManifest['golden'] | null> {
  return (await readJsonFile(join(folder, 'golden.json'), goldenSchema))?.golden ?? null
}

/**
 * Runs freshly exported graphs on the golden texts and returns the manifest with what they gave.
 * Graphs that disagree with each other are refused.
 * @throws EspalierError `self_test_failed`
 */
export async function measureGolden(
  folder: string,
  manifest: TextEncoderManifest,
): Promise<TextEncoderManifest> {
  const golden = GOLDEN_TEXTS.map((text) => ({ text, vectors: {} as GoldenVectors }))
  for (const precision of Object.keys(manifest.graphs) as Precision[]) {
    const vectors = await encodeGolden(folder, manifest, precision)
    for (const [i, entry] of golden.entries()) {
      const row = vectors.subarray(i * manifest.dimension, (i + 1) * manifest.dimension)
      entry.vectors[precision] = Array.from(row, (value) =>
        Number(value.toPrecision(VECTOR_DIGITS)),
      )
    }
  }
  for (const { text, vectors } of golden) checkAgreement(manifest.name, text, vectors)
  return { ...manifest, golden }
}

/** The tolerances that go into a manifest. */
export function minCosines(precisions: readonly Precision[]): TextEncoderManifest['minCosine'] {
  return Object.fromEntries(precisions.map((precision) => [precision, MIN_COSINE[precision]]))
}

type GoldenVectors = Partial<Record<Precision, number[]>>

async function encodeGolden(
  artifactDir: string,
  manifest: TextEncoderManifest,
  precision: Precision,
): Promise<Float32Array> {
  const engine = await createEngine({ artifactDir, manifest, precision, device: 'cpu' })
  try {
    const result = await engine.run(goldenJob(GOLDEN_TEXTS))
    const failure = result.failures[0]
    if (failure) throw fromWireError(failure.error)
    return result.vectors
  } finally {
    await engine.release()
  }
}

function checkAgreement(name: string, text: string, vectors: GoldenVectors): void {
  const { float32, int8 } = vectors
  for (const values of Object.values(vectors)) {
    if (values.every(Number.isFinite)) continue
    throw new EspalierError('self_test_failed', `${name}: the weights give NaN for "${text}"`)
  }
  if (!float32 || !int8) return
  const cosine = float32.reduce((sum, value, i) => sum + value * (int8[i] as number), 0)
  if (cosine >= MIN_INT8_COSINE) return
  throw new EspalierError(
    'self_test_failed',
    say`${name}: int8 moves "${text}" to cosine ${cosine.toFixed(3)} of float32; calibrate on texts like yours with ${option('calibration', 'FILE')}, or export float32 only`,
  )
}
