import { EspalierError } from '../lib/errors.ts'
import { type Stage, waitForGate } from './file-gate.ts'
import { openImageEngine } from './image/image-engine.ts'
import type { HeadKernels } from './kernels/head-kernels.ts'
import type { Job, JobResult, WorkerInit } from './protocol.ts'
import { verifyGoldens } from './self-test.ts'
import { openTextEngine } from './text/text-engine.ts'

/** What a worker thread runs; its calls must not overlap. */
export interface Engine {
  readonly heads: HeadKernels
  run(job: Job): Promise<JobResult>
  release(): Promise<void>
}

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

/** Blocks until the files of a stage are verified. @throws EspalierError `artifact_corrupt` where they are refused */
export function awaitVerified({ gate }: WorkerInit, stage: Stage): void {
  if (gate === undefined || waitForGate(gate, stage)) return
  throw new EspalierError('artifact_corrupt', 'the files of the encoder were not verified')
}
