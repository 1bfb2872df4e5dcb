import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EspalierError } from '../lib/errors.ts'
import type { EncoderManifest, Precision } from '../lib/manifests/encoder-manifest.ts'
import type { Device } from '../runtime/session.ts'

/** Two of them stay in a core's second-level cache. */
const PIECE_BYTES = 256 * 1024

/** The files that running one precision reads, the tokenizer of texts first. */
export function filesToLoad(manifest: EncoderManifest, precision: Precision): string[] {
  const graph = manifest.graphs[precision]
  if (!graph) {
    const offered = Object.keys(manifest.graphs).join(', ')
    const message = `${manifest.name} has no ${precision} graph: set the precision to one of ${offered}`
    throw new EspalierError('invalid_config', message)
  }
  const names = [tokenizerOf(manifest), graph.file, graph.data, graph.pooling]
  return [...new Set(names.filter((name) => name !== null))]
}

/** Precisions from the best down, by what a device is fast at; GPUs do not run int8. */
const BEST: Readonly<Record<'cpu' | 'gpu', readonly Precision[]>> = {
  cpu: ['int8', 'float32', 'float16'],
  gpu: ['float16', 'float32'],
}

/** Which precision an encoder is to run in. */
export interface PrecisionWish {
  readonly precision: Precision
  /** Nobody named it: an encoder without it runs in the best that it has. @default false, which refuses others */
  readonly orBest?: boolean | undefined
  readonly device: Device
}

/**
 * The precision that runs where one is wanted: the best that there is where nobody named it. Image encoders that do not
 * have it run in float32.
 */
export function precisionFor(
  { modality, graphs }: Pick<EncoderManifest, 'modality' | 'graphs'>,
  { precision, orBest = false, device }: PrecisionWish,
): Precision {
  if (graphs[precision]) return precision
  if (modality === 'image') return 'float32'
  const best = BEST[device === 'cpu' ? 'cpu' : 'gpu'].find((each) => graphs[each])
  return (orBest && best) || precision
}

/** The file that prepares texts; null where images are read. */
export function tokenizerOf(manifest: EncoderManifest): string | null {
  return manifest.modality === 'text' ? manifest.tokenizer : null
}

/**
 * Checks size and sha256 of files against the manifest.
 * @throws EspalierError `artifact_corrupt` naming the file and both values
 */
export async function verifyArtifact(
  artifactDir: string,
  manifest: EncoderManifest,
  files: readonly string[],
): Promise<void> {
  for (const file of files) {
    const wanted = manifest.files[file]
    if (!wanted) throw corrupt(file, 'the manifest does not list it')
    await verifyFile(join(artifactDir, file), file, wanted)
  }
}

/**
 * Checks one file.
 * @param name what messages call it
 * @throws EspalierError `artifact_corrupt` naming the file and both values
 */
export async function verifyFile(
  path: string,
  name: string,
  wanted: { readonly sha256: string; readonly bytes: number },
): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw corrupt(name, 'it is missing', cause)
  })
  if (found.size !== wanted.bytes) {
    throw corrupt(name, `it has ${found.size} bytes, the manifest says ${wanted.bytes}`)
  }
  const sha256 = await hashFile(path)
  if (sha256 !== wanted.sha256) {
    throw corrupt(name, `its sha256 is ${sha256}, the manifest says ${wanted.sha256}`)
  }
}

/** Hex sha256 of a file, hashing one piece while the next is read. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  const handle = await open(path)
  try {
    let [filling, full] = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)]
    let reading = handle.read(filling, 0, PIECE_BYTES, null)
    for (;;) {
      const { bytesRead } = await reading
      if (bytesRead === 0) return hash.digest('hex')
      ;[filling, full] = [full, filling]
      reading = handle.read(filling, 0, PIECE_BYTES, null)
      hash.update(full.subarray(0, bytesRead))
    }
  } finally {
    await handle.close()
  }
}

function corrupt(name: string, what: string, cause?: unknown): EspalierError {
  const message = `${name} of the encoder is damaged: ${what}; export or download it again`
  return new EspalierError('artifact_corrupt', message, { cause })
}
