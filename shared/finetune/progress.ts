import { EspalierError } from '../lib/errors.ts'
import type { FineTunePhase, FineTuneTools } from './types.ts'

/** What is thrown when there is nothing to keep yet. */
export function cancelledEarly(): EspalierError {
  return new EspalierError('request_cancelled', 'fine-tuning was cancelled before its first step')
}

/** Tells that a phase without known steps is going on; `done` of `total` where they are known. */
export function reportPhase(
  tools: Pick<FineTuneTools, 'onProgress'>,
  phase: FineTunePhase,
  done = 0,
  total = 0,
): void {
  tools.onProgress({
    phase,
    step: done,
    steps: total,
    epoch: 0,
    loss: null,
    validationAccuracy: null,
    learningRate: 0,
    secondsLeft: null,
  })
}
