import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isEspalierError } from '../lib/errors.ts'
import type {
  GraphSpec,
  Precision,
  TextEncoderManifest,
} from '../lib/manifests/encoder-manifest.ts'
import type { Wording } from '../lib/wording.ts'
import { computeFingerprint } from './artifact/fingerprint.ts'
import { measureGolden, minCosines } from './artifact/golden.ts'
import { halveForeign } from './text/foreign-float16.ts'

/** Cosine to float32 below which float16 would be another encoder. */
const MIN_HALF_COSINE = 0.9999

/** What an export of somebody's graph was asked for. */
export interface PrecisionOptions {
  /** @default those that the graph itself is in */
  readonly precisions?: readonly Precision[] | undefined
  readonly onNote?: ((note: Wording) => void) | undefined
}

/**
 * Adds float16 to the artifact of a float32 graph where that is wanted, and leaves float32 out where nothing else is.
 * A graph that cannot be had in float16, or is another encoder there, stays as it is, and a note says why.
 */
export async function addFloat16(
  target: string,
  draft: TextEncoderManifest,
  { precisions = [], onNote }: PrecisionOptions,
): Promise<TextEncoderManifest> {
  const { float32 } = draft.graphs
  if (float32 === undefined || !precisions.includes('float16')) return draft
  const halved = await halveForeign(float32.file, target)
  if ('why' in halved) {
    onNote?.([`float16 is left out: ${halved.why}`])
    return draft
  }
  const fingerprint = computeFingerprint(draft.family, 'float16', null)
  const both: TextEncoderManifest = {
    ...draft,
    graphs: { ...draft.graphs, float16: { ...float32, ...halved.place, fingerprint } },
    minCosine: minCosines(['float32', 'float16']),
    files: { ...draft.files, ...halved.files },
  }
  const { place, files } = halved.guarded
  const graphs = { ...both.graphs, float16: { ...float32, ...place, fingerprint } }
  const why = await findFault(target, { ...both, graphs, files: { ...both.files, ...files } })
  await removeFiles(target, Object.keys(files))
  if (why !== null) {
    await removeFiles(target, Object.keys(halved.files))
    onNote?.([`float16 is left out: ${why}`])
    return draft
  }
  const isAlone = precisions.every((precision) => precision === 'float16')
  return isAlone ? dropFloat32(target, both, float32) : both
}

/** What is wrong with float16; null where its vectors are those of float32. */
async function findFault(target: string, manifest: TextEncoderManifest): Promise<string | null> {
  try {
    const { golden } = await measureGolden(target, manifest)
    for (const { vectors } of golden) {
      const cosine = cosineOf(vectors.float32 ?? [], vectors.float16 ?? [])
      if (cosine < MIN_HALF_COSINE)
        return `it moves texts to cosine ${cosine.toFixed(4)} of float32`
    }
    return null
  } catch (error) {
    if (!isEspalierError(error, 'self_test_failed')) throw error
    return 'its values are too large for float16'
  }
}

async function dropFloat32(
  target: string,
  manifest: TextEncoderManifest,
  { file, data }: GraphSpec,
): Promise<TextEncoderManifest> {
  const names = [file, ...(data === null ? [] : [data])]
  await removeFiles(target, names)
  const { float32: _, ...graphs } = manifest.graphs
  const files = Object.entries(manifest.files).filter(([name]) => !names.includes(name))
  const minCosine = minCosines(['float16'])
  return { ...manifest, graphs, minCosine, files: Object.fromEntries(files) }
}

async function removeFiles(target: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(target, name))
}

function cosineOf(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, at) => sum + value * (y[at] ?? Number.NaN), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}
