import type { FineTuneSettings } from '../../finetune/types.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'
import type { createStopwatch } from '../rows/stopwatch.ts'
import type { FineTuneData } from './data.ts'
import type { FineTuneClassifierRequest, FineTuneDeps } from './request.ts'
import type { FineTuningTools } from './tools.ts'

/** What every stage of one fine-tuning has at hand. */
export interface FineTuneJob {
  readonly deps: FineTuneDeps
  readonly request: FineTuneClassifierRequest
  readonly data: FineTuneData
  readonly settings: FineTuneSettings
  /** Those that the tuned encoder is exported to and judged at, the served one first. */
  readonly precisions: readonly Precision[]
  readonly tools: FineTuningTools
  readonly kernels: MatrixKernels
  readonly watch: ReturnType<typeof createStopwatch>
  /** A folder of this job alone, removed at its end. */
  readonly scratch: string
}
