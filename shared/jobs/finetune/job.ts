import type { FineTuneSettings } from '../../finetune/types.ts'
import type { Precision } from '../../lib/manifests/encoder-manifest.ts'
import type { HeadJob } from '../heads/request.ts'
import { loadTraining } from '../heads/tools.ts'
import type { FineTuneData } from './data.ts'
import type { FineTuneClassifierRequest, FineTuneDeps } from './request.ts'

/** The fine-tuning side, loaded when an encoder is trained: a server never loads it. */
export async function loadFineTuning() {
  const [training, trainer, defaults, recalibration, recommendation] = await Promise.all([
    loadTraining(),
    import('../../finetune/fine-tune.ts'),
    import('../../finetune/default-settings.ts'),
    import('../../training/evaluation/recalibrate.ts'),
    import('../../reports/fine-tuning.ts'),
  ])
  return {
    ...training,
    fineTune: trainer.fineTune,
    defaultSettings: defaults.defaultSettings,
    recalibrateHead: recalibration.recalibrateHead,
    recommend: recommendation.recommend,
  }
}

export type FineTuningTools = Awaited<ReturnType<typeof loadFineTuning>>

/** What every stage of one fine-tuning has at hand. */
export interface FineTuneJob extends HeadJob<FineTuneDeps, FineTuneClassifierRequest> {
  readonly tools: FineTuningTools
  readonly data: FineTuneData
  readonly settings: FineTuneSettings
  /** Those that the tuned encoder is exported to and evaluated at, the served one first. */
  readonly precisions: readonly Precision[]
  /** A folder of this job alone, removed at its end. */
  readonly scratch: string
}
