import { baselinesSection } from './baselines.ts'
import { candidatesSection } from './candidates.ts'
import { championSection } from './champion.ts'
import { confusedPairsSection } from './confused-pairs.ts'
import { confusionsSection } from './confusions.ts'
import { costSection } from './cost.ts'
import { fineTuningSection } from './fine-tuning.ts'
import { layersSection, mistakesSection } from './images.ts'
import { labelNoiseSection } from './label-noise.ts'
import { labelsSection } from './labels.ts'
import { learningCurveSection } from './learning-curve.ts'
import { notesSection } from './notes.ts'
import { originSection } from './origin.ts'
import { reliabilitySection } from './reliability.ts'
import { resultsSection } from './results.ts'
import { riskCoverageSection } from './risk-coverage.ts'
import type { ReportSection } from './section.ts'
import { sureAnswersSection } from './sure-answers.ts'

/** The sections of every report, in their order. To add one: a file of its own, and its line here. */
export const REPORT_SECTIONS: readonly ReportSection[] = [
  resultsSection,
  championSection,
  baselinesSection,
  fineTuningSection,
  notesSection,
  labelNoiseSection,
  layersSection,
  learningCurveSection,
  riskCoverageSection,
  sureAnswersSection,
  candidatesSection,
  reliabilitySection,
  confusionsSection,
  confusedPairsSection,
  mistakesSection,
  labelsSection,
  costSection,
  originSection,
]
