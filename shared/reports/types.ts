import type { DatasetSummary } from '../dataset/labelled.ts'
import type {
  Measure,
  ReportAnswers,
  ReportBaseline,
  ReportCost,
  ReportGain,
  ReportInterval,
  ReportLabelNoise,
  ReportLearningCurve,
  ReportOutOfFold,
  ReportRepeated,
  ReportSplit,
  ReportSureAnswers,
} from './figure-types.ts'

/** Number of the report's JSON form; a change that a reader could trip over raises it. */
export const REPORT_SCHEMA = 1

/** All that a trained version says about itself, as plain values. */
export interface TrainingReport {
  /** The model's name, without a version. */
  readonly name: string
  /** `name@v7`: set where the report of a stored version is written again, and not stored itself. */
  readonly published?: string | undefined
  /** ISO 8601. */
  readonly created: string
  readonly dataset: DatasetSummary
  readonly split: ReportSplit
  readonly encoder: ReportEncoder
  /** The head's labels; confusions point into them. */
  readonly labels: readonly string[]
  readonly multiLabel: boolean
  readonly method: { readonly name: string; readonly why: string }
  /** The transfer layers of an image encoder that were compared; absent where none were. */
  readonly layers?: readonly ReportLayer[] | undefined
  readonly candidates: readonly ReportCandidate[]
  readonly crossValidation: ReportCrossValidation | null
  /** Set where few rows, or none, were held out for the test. */
  readonly repeatedCrossValidation?: ReportRepeated | null | undefined
  /** Simpler answers on the same rows; missing in old reports. */
  readonly baselines?: readonly ReportBaseline[] | undefined
  /** Null where labels could not be judged; missing in old reports. */
  readonly labelNoise?: ReportLabelNoise | null | undefined
  /** Null where no rows were held out. */
  readonly test: ReportTest | null
  /** Set where few rows, or none, were held out for the test. */
  readonly outOfFold?: ReportOutOfFold | null | undefined
  /** Null where no rows were held out, and with several labels per text. */
  readonly sureAnswers?: ReportSureAnswers | null | undefined
  readonly learningCurve?: ReportLearningCurve | null | undefined
  readonly cost?: ReportCost | undefined
  readonly outOfDistribution: ReportOutOfDistribution | null
  /** Why there is no threshold, where that is known. */
  readonly noThreshold?: 'equal-rows' | 'few-rows' | undefined
  readonly champion: ReportChampion | null
  readonly sizes: ReportSizes
  readonly timings: readonly { readonly stage: string; readonly milliseconds: number }[]
  readonly seed: number
  /** The command line that trained this version. */
  readonly command: string
  /** Set where the head was adapted to rows of another domain. */
  readonly adapted?: boolean | undefined
  /** Set where the encoder itself was trained too. */
  readonly fineTuning?: ReportFineTuning | undefined
}

export interface ReportEncoder {
  /** `name@v7`. */
  readonly model: string
  readonly family: string
  readonly fingerprint: string
  readonly precision: string
  /** `bert`, `distilbert` …, or `onnx` for a foreign graph, which cannot be fine-tuned; missing in old reports. */
  readonly architecture?: string | undefined
}

/** One method that was tried; accuracy and NLL (nats) are cross-validated. */
export interface ReportCandidate {
  readonly name: string
  readonly accuracy: Measure
  readonly nll: Measure
  readonly parameters: Readonly<Record<string, number | string | boolean | null>>
}

/** A layer of an image encoder whose features were tried. */
export interface ReportLayer {
  readonly name: string
  /** Numbers of a vector. */
  readonly dimension: number
  /** Cross-validated, of the best head on the layer. */
  readonly accuracy: Measure
  readonly nll: Measure
  /** Log evidence a row of a linear model (LogME), higher is better. */
  readonly logMe: Measure
  readonly chosen: boolean
}

/** Out-of-fold results of the chosen method on the training rows, counted as those on the test rows are. */
export interface ReportCrossValidation {
  /** With several labels per text, the share of exact matches. */
  readonly accuracy: Measure
  readonly macroF1?: Measure | undefined
  readonly microF1?: Measure | undefined
  /** Macro-F1 with balanced answers, their strength chosen on other folds; set where labels are unevenly frequent. */
  readonly balancedMacroF1?: Measure | undefined
  readonly nll: Measure
  readonly ece: Measure
  /** Accuracy of the final head on the rows it was fitted on. */
  readonly fittedAccuracy: Measure
}

/** Results on the test rows. With several labels per text, accuracy is the share of exact matches. */
export interface ReportTest extends ReportAnswers {
  readonly rows: number
  readonly accuracy: Measure
  /** Interval of the accuracy. */
  readonly interval: ReportInterval | null
  readonly macroF1: Measure
  readonly macroF1Interval?: ReportInterval | null | undefined
  /** Differs from the accuracy with several labels per text alone. */
  readonly microF1?: Measure | undefined
  readonly nllInterval?: ReportInterval | null | undefined
  /** Rows from which on the interval of such an accuracy reaches no further than five points to either side. */
  readonly rowsForFivePoints?: number | undefined
  readonly ece: Measure
  readonly nll: Measure
  readonly perClass: readonly ReportClass[]
  readonly reliability: readonly ReportBin[]
  /** Sparse counts with the correct ones; empty with several labels per text. */
  readonly confusions: readonly ReportConfusion[]
  /** Most frequent confusions first; texts only where the user allowed them. */
  readonly worstConfusions: readonly ReportWorstConfusion[]
  /** The most confident wrong answers on images; absent for texts. */
  readonly mistakes?: readonly ReportMistake[] | undefined
}

/** A wrong answer on an image. */
export interface ReportMistake {
  /** The image's path in the data. */
  readonly image: string
  readonly actual: string
  readonly predicted: string
  /** Probability of the wrong label. */
  readonly confidence: number
}

export interface ReportClass {
  readonly label: string
  readonly precision: Measure
  readonly recall: Measure
  readonly f1: Measure
  /** Test rows that truly have the label. */
  readonly support: number
}

/** Predictions whose confidence lies in (low, high]. */
export interface ReportBin {
  readonly low: number
  readonly high: number
  readonly count: number
  /** Mean confidence. */
  readonly confidence: Measure
  readonly accuracy: Measure
}

/** How many test rows of label `actual` were given label `predicted`; both index `labels`. */
export interface ReportConfusion {
  readonly actual: number
  readonly predicted: number
  readonly count: number
}

export interface ReportWorstConfusion {
  readonly actual: string
  readonly predicted: string
  readonly count: number
  readonly examples: readonly string[]
}

export interface ReportOutOfDistribution {
  /** Texts with a larger distance are reported as out of distribution. */
  readonly threshold: number
  /** Share of in-distribution rows below the threshold, cross-validated. */
  readonly keepRate: Measure
}

/** The present champion on the same test rows; `difference` = accuracy of the new head minus its own. */
export interface ReportChampion {
  /** `name@v7`. */
  readonly model: string
  readonly accuracy: Measure
  readonly macroF1: Measure
  readonly difference: number
  /** Interval of the difference, 95 %. */
  readonly low: number
  readonly high: number
  readonly method?: string | undefined
  readonly pValue?: number | undefined
}

export interface ReportSizes {
  readonly headBytes: number
  /** Training rows kept for the neighbour search. */
  readonly neighbourRows: number
}

/** What fine-tuning the encoder did and brought, beside the frozen encoder on the same test rows. */
export interface ReportFineTuning {
  /** The encoder that was started from. */
  readonly base: ReportEncoder
  /** What was trained and how: plain settings, in the order in which they are shown. */
  readonly settings: Readonly<Record<string, number | string | boolean | null>>
  readonly rows: { readonly train: number; readonly validation: number }
  /** Why training ended, as a few words. */
  readonly stopped: string
  readonly steps: number
  /** The step whose weights were kept. */
  readonly bestStep: number
  /** How much of the tuned weights is in the mix with the base's that is published. */
  readonly blend: ReportBlend
  /** Passes made over the training rows. */
  readonly epochs: number
  readonly trainedParameters: number
  readonly curve: readonly ReportCurvePoint[]
  /** The frozen head first; all on the same test rows. Empty where none were held out. */
  readonly contenders: readonly ReportContender[]
  /** Where the published head comes from. */
  readonly head: { readonly chosen: 'refitted' | 'output layer'; readonly why: string }
  readonly recommendation: ReportRecommendation
  readonly memory: { readonly predictedBytes: number; readonly peakBytes: number }
}

/** The mix of tuned and base weights, and what it was chosen from. */
export interface ReportBlend {
  /** 1 for the tuned weights as they are. */
  readonly alpha: number
  readonly basis: 'validation' | 'cross-validation' | 'given' | 'none'
  /** Rows that the mixes were evaluated on. */
  readonly rows: number
  /** Gains are over the base (alpha 0) on the same rows, each with its standard error. */
  readonly scores: readonly {
    readonly alpha: number
    readonly accuracy: number
    readonly gain: number
    readonly error: number
  }[]
}

/** One evaluation during training; losses are in nats. */
export interface ReportCurvePoint {
  readonly step: number
  readonly seconds: number
  readonly trainLoss: Measure
  readonly validationLoss: Measure
  readonly validationAccuracy: Measure
}

/** A head on one encoder and precision, evaluated on the test rows. */
export interface ReportContender {
  readonly name: string
  readonly tuned: boolean
  readonly precision: string
  readonly accuracy: Measure
  readonly interval: ReportInterval | null
  readonly macroF1: Measure
  readonly ece: Measure
  /** Accuracy less that of the frozen head, with its paired interval; null for the frozen head. */
  readonly gain: ReportGain | null
}

/** What the comparison says to do. */
export interface ReportRecommendation {
  readonly promote: 'tuned' | 'frozen' | 'unknown'
  /** The precision to serve the tuned encoder at; null unless it is recommended. */
  readonly precision: string | null
  /** A whole sentence. */
  readonly why: string
}
