import { EspalierError } from '../lib/errors.ts'
import type { EncoderInput } from '../lib/manifests/encoder-input.ts'
import type { EncoderManifest, Precision } from '../lib/manifests/encoder-manifest.ts'
import type { Engine } from './engine.ts'
import { openImageEngine } from './image/image-engine.ts'
import {
  fromWireError,
  type Job,
  type JobMode,
  type JobResult,
  type WorkerInit,
} from './protocol.ts'
import { openTextEngine } from './text/text-engine.ts'

/**
 * Loads an encoder and proves it on the manifest's golden inputs.
 * @throws EspalierError `invalid_model_file`, `invalid_config` (device), `self_test_failed`
 */
export async function createEngine(init: WorkerInit): Promise<Engine> {
  const { manifest } = init
  const engine = await openEngine(init)
  try {
    await verifyGoldens(engine, manifest, init.precision)
    return engine
  } catch (error) {
    await engine.release()
    throw error
  }
}

async function openEngine(init: WorkerInit): Promise<Engine> {
  const { manifest } = init
  return manifest.modality === 'text'
    ? openTextEngine(init, manifest)
    : openImageEngine(init, manifest)
}

const DEFAULT_MIN_COSINE = 0.999

/** Golden inputs as they are encoded, at export and at every load. */
export function goldenJob(inputs: readonly EncoderInput[]): Job {
  const mode: JobMode = {
    prompt: '',
    truncate: true,
    truncationDirection: 'right',
    normalize: true,
    projection: 0,
    memories: [],
  }
  return { inputs, modes: [mode], modeOf: new Uint16Array(inputs.length) }
}

/**
 * Runs the manifest's golden inputs and compares the vectors: a runtime or CPU that computes something else
 * must not serve. Warms the graph as well.
 * @throws EspalierError `self_test_failed`
 */
export async function verifyGoldens(
  engine: { run(job: Job): Promise<JobResult> },
  manifest: EncoderManifest,
  precision: Precision,
): Promise<void> {
  const golden = goldenInputs(manifest).flatMap(({ input, vectors }) => {
    const expected = vectors[precision]
    return expected ? [{ input, expected }] : []
  })
  if (golden.length === 0) return
  const result = await engine.run(goldenJob(golden.map(({ input }) => input)))
  const failure = result.failures[0]
  if (failure) {
    const { message } = fromWireError(failure.error)
    const what = `golden input ${failure.index} of ${manifest.name}`
    throw new EspalierError('self_test_failed', `${what} cannot be encoded: ${message}`)
  }
  const minimum = manifest.minCosine[precision] ?? DEFAULT_MIN_COSINE
  golden.forEach(({ expected }, row) => {
    const from = row * manifest.dimension
    const vector = result.vectors.subarray(from, from + manifest.dimension)
    const found = cosine(vector, expected)
    if (found >= minimum) return
    throw new EspalierError(
      'self_test_failed',
      `${manifest.name} ${precision}: this machine gives other vectors than the artifact was made with ` +
        `(golden input ${row}: cosine ${found.toFixed(6)}, at least ${minimum} wanted); export it again here`,
    )
  })
}

function goldenInputs(manifest: EncoderManifest) {
  return manifest.modality === 'text'
    ? manifest.golden.map(({ text, vectors }) => ({ input: text, vectors }))
    : manifest.golden.map(({ image, vectors }) => ({
        input: Buffer.from(image, 'base64'),
        vectors,
      }))
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return 0
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    dot += (a[i] as number) * (b[i] as number)
    aa += (a[i] as number) ** 2
    bb += (b[i] as number) ** 2
  }
  const norm = Math.sqrt(aa * bb)
  return norm > 0 ? dot / norm : 0
}
