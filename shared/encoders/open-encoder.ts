import { rm } from 'node:fs/promises'
import type { EncoderLimits } from '../encoder/dispatcher.ts'
import { createEncoder, type EncoderOptions } from '../encoder/pooled-encoder.ts'
import type { Encoder } from '../encoder/types.ts'
import { precisionFor } from '../encoder/verify-artifact.ts'
import { isEspalierError } from '../lib/errors.ts'
import type { Logger } from '../lib/logger.ts'
import type { EncoderManifest, Precision } from '../lib/manifests/encoder-manifest.ts'
import { print, type Wording } from '../lib/wording.ts'
import { type ArtifactOptions, prepareArtifact, type WantedEncoder } from './encoder-artifacts.ts'

/** What every encoder of a process shares. */
export interface OpenEncoderDeps extends ArtifactOptions {
  readonly workerUrl: URL
  /** A worker under way already, taken first. */
  readonly prespawned?: EncoderOptions['prespawned']
  readonly workers: number
  readonly device: EncoderOptions['device']
  readonly limits: EncoderLimits
  /** Memory for vectors of texts seen before; 0 keeps none. */
  readonly resultCacheBytes?: number
  /** Jobs of several runs, where nobody waits for a single text. @default false */
  readonly longJobs?: boolean | undefined
  readonly log: Logger
  /** Called when only the workers are still loading: this thread is free for other things. */
  readonly onVerified?: (() => void) | undefined
}

/**
 * Opens an encoder by name or folder. A damaged file in the cache is refused and the export made again;
 * a damaged file anywhere else is the caller's to replace.
 * @throws EspalierError `model_not_found`, `artifact_corrupt`, `self_test_failed` …
 */
export async function openEncoder(deps: OpenEncoderDeps, wanted: WantedEncoder): Promise<Encoder> {
  const { onNote = logNote(deps.log, wanted.encoder) } = wanted
  const artifact = await prepareArtifact(deps, { ...wanted, onNote })
  wanted.onArtifact?.(artifact.manifest)
  const { workerUrl, prespawned, workers, device, limits, resultCacheBytes = 0 } = deps
  const { longJobs, log, onVerified } = deps
  const load = (from: typeof artifact) =>
    createEncoder({
      artifactDir: from.folder,
      manifest: from.manifest,
      precision: choosePrecision(deps, from.manifest, wanted),
      version: 1,
      workers,
      device,
      workerUrl,
      prespawned,
      limits,
      resultCacheBytes,
      longJobs,
      log,
      onVerified,
    })
  try {
    return await load(artifact)
  } catch (error) {
    if (!artifact.cached || !isEspalierError(error, 'artifact_corrupt')) throw error
    log.warn({ folder: artifact.folder, reason: error.message }, 'cached encoder refused')
    await rm(artifact.folder, { recursive: true, force: true })
    return load(await prepareArtifact(deps, wanted))
  }
}

/** The precision that runs; where it is not the usual one, the log says so. */
export function choosePrecision(
  { device, log }: Pick<OpenEncoderDeps, 'device' | 'log'>,
  manifest: EncoderManifest,
  { precision: wanted, orBest }: Pick<WantedEncoder, 'precision' | 'orBest'>,
): Precision {
  const precision = precisionFor(manifest, { precision: wanted, orBest, device })
  if (precision !== wanted) {
    log.info({ encoder: manifest.name, precision }, `it has no ${wanted} graph: ${precision} runs`)
  }
  return precision
}

/** Whoever opens an encoder by its folder reads in the log what was taken for granted. */
function logNote(log: Logger, encoder: string): (note: Wording) => void {
  return (note) => log.warn({ encoder }, print(note))
}
