import { loadTraining } from '../heads/tools.ts'

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
