import type { Clock } from '../lib/clock.ts'
import { EspalierError } from '../lib/errors.ts'
import type { FineTuneProgress } from './types.ts'

/** What a run needs of the thread that it is in. */
export interface FineTuneTools {
  readonly clock: Clock
  isCancelled(): boolean
  onProgress(progress: FineTuneProgress): void
  /** The file of an image. @throws EspalierError `invalid_data` where it can be read no more */
  loadImage(set: 'train' | 'validation', row: number): Promise<Uint8Array>
}

/** What is thrown when there is nothing to keep yet. */
export function cancelledEarly(): EspalierError {
  return new EspalierError('request_cancelled', 'fine-tuning was cancelled before its first step')
}
