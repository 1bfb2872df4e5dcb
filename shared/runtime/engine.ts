import { EspalierError } from '../lib/errors.ts'
import type { GraphSpec } from '../lib/manifests/encoder-manifest.ts'
import type { HeadKernels } from './kernels/head-kernels.ts'
import type { Job, JobResult, WorkerInit } from './protocol.ts'
import type { Device } from './session.ts'
import { type Stage, waitForLatch } from './verification-latch.ts'

/** What a worker thread runs; its calls must not overlap. */
export interface Engine {
  readonly heads: HeadKernels
  run(job: Job): Promise<JobResult>
  release(): Promise<void>
}

/**
 * Opens the graph of a precision on a device, which whoever opens encoders has chosen: see `chooseDevice`.
 * @throws EspalierError `invalid_config`, `invalid_model_file`
 */
export async function openOnDevice<Graph>(
  { manifest, precision, device }: WorkerInit,
  open: (spec: GraphSpec, device: Device) => Promise<Graph>,
): Promise<Graph> {
  const spec = manifest.graphs[precision]
  if (!spec) {
    const offered = Object.keys(manifest.graphs).join(', ')
    const message = `${manifest.name} has no ${precision} graph; it offers ${offered}`
    throw new EspalierError('invalid_config', message)
  }
  if (device === 'cpu') return open(spec, device)
  try {
    return await open(spec, device)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `device ${device} does not work here: ${reason}; use cpu or auto`
    throw new EspalierError('invalid_config', message, { cause })
  }
}

/** Blocks until the files of a stage are verified. @throws EspalierError `artifact_corrupt` where they are refused */
export function awaitVerified({ latch }: WorkerInit, stage: Stage): void {
  if (latch === undefined || waitForLatch(latch, stage)) return
  throw new EspalierError('artifact_corrupt', 'the files of the encoder were not verified')
}
