import { fileURLToPath } from 'node:url'
import type { Encoder } from '../../shared/encoder/types.ts'
import { openEncoder } from '../../shared/encoders/open-encoder.ts'
import { silentLogger } from '../../shared/lib/logger.ts'
import { bundleWorker } from '../worker-bundle.ts'

const infra = new URL('../../infra/', import.meta.url)

/** What a caller gets by default. */
export const PLAIN = { truncate: true, truncationDirection: 'right', normalize: true } as const

/** The built-in text encoder with two workers, which refuses nothing for its size. The caller closes it. */
export async function openBuiltin(
  cacheFolder: string,
  precision: 'float32' | 'int8',
  maxTextBytes = 1_000_000,
): Promise<Encoder> {
  return await openEncoder(
    {
      builtinFolder: fileURLToPath(new URL('models', infra)),
      calibrationTexts: fileURLToPath(new URL('calibration/texts.txt', infra)),
      cacheFolder,
      threads: 2,
      workerUrl: await bundleWorker(),
      workers: 2,
      device: 'cpu',
      limits: { maxQueueTokens: 10_000_000, maxQueueWaitMs: 600_000, maxTextBytes },
      log: silentLogger,
    },
    { encoder: 'all-MiniLM-L6-v2', precision },
  )
}

/** Vectors of one precision by text, each row a copy. */
export async function embed(encoder: Encoder, texts: readonly string[]): Promise<Float32Array[]> {
  const { vectors, dimension } = await encoder.encode(texts, PLAIN)
  return texts.map((_, i) => vectors.slice(i * dimension, (i + 1) * dimension))
}

/** The cosine of two vectors. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += (a[i] as number) * (b[i] as number)
    aa += (a[i] as number) ** 2
    bb += (b[i] as number) ** 2
  }
  return dot / Math.sqrt(aa * bb)
}

/** The mean of values. */
export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}
