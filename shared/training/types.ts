import type { Head } from '../head/head.ts'
import type { Matrix, MatrixKernels } from '../lib/maths/matrix-kernels.ts'
import type { ClassWeight, Optimise } from './catalogue/aims.ts'
import type { Method } from './catalogue/methods.ts'
import type { DetectorLack } from './detect/train-detector.ts'

export type { ClassWeight, Method, Optimise }

/** Embedded rows with what is known of them. Exactly one of `targets` and `labelSets` is set. */
export interface TrainingSet {
  /** Shape [rows, dimension], L2-normalised. */
  readonly embeddings: Float32Array
  readonly dimension: number
  readonly labels: readonly string[]
  /** Shape [rows]: index of the one label of each row. */
  readonly targets: Int32Array | null
  /** Indices of all labels of each row, possibly none; makes a multi-label head. */
  readonly labelSets: readonly (readonly number[])[] | null
  /** Shape [rows]: rows with the same number stay on one side of every split; -1 for those that stand alone. @default all alone */
  readonly together?: Int32Array | undefined
}

export interface TrainOptions {
  /** The encoder family of the embeddings. */
  readonly family: string
  readonly method: Method
  /** @default 42 */
  readonly seed?: number | undefined
  /** Parts of the cross-validation, 2 to 20. @default 5 */
  readonly folds?: number | undefined
  /** What `auto` chooses by, and what weights and balance are chosen for where they are `auto`. @default log-loss */
  readonly optimise?: Optimise | undefined
  /**
   * How much of the log share of each label is left out of its probability, so that rare labels count as much: none
   * (false, 0) to all (true, 1); `auto` is chosen by cross-validation for macro-F1.
   * @default `auto` with `optimise: 'macro-f1'` and with `classWeight: 'balanced'` (true for `softmax` alone), else false
   */
  readonly balance?: boolean | number | 'auto' | undefined
  /**
   * Weights of rows in logistic regression: `balanced` lets every class count alike, as scikit-learn's
   * `class_weight='balanced'`; `auto` tries both. For one label a row. @default auto with `optimise: 'macro-f1'`, else none
   */
  readonly classWeight?: ClassWeight | undefined
  /**
   * What `auto` keeps unless another is clearly better. Means and covariances of many numbers, fitted on few
   * images of one camera, suit those of another badly. @default softmax+lda
   */
  readonly standard?: 'softmax+lda' | 'softmax' | undefined
  /** Lets `auto` keep training embeddings for neighbour votes. @default true */
  readonly memory?: boolean | undefined
  /** Leaves rows whose label is likely wrong out of the fit. @default where clearly many labels are wrong */
  readonly dropSuspects?: boolean | undefined
}

export interface TrainTools {
  readonly kernels: MatrixKernels
  readonly onProgress?: ((stage: string, done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** What cross-validation says of one way to make the head. */
export interface CandidateReport {
  readonly name: string
  readonly parameters: Readonly<Record<string, number>>
  readonly accuracy: number
  readonly nll: number
}

/** The chosen way on rows that its fits had not seen, counted as test rows are. */
export interface CrossValidation {
  /** Share of rows whose whole answer is right. */
  readonly accuracy: number
  readonly macroF1: number
  /** F1 over all labels together. */
  readonly microF1: number
  readonly nll: number
  readonly ece: number
  readonly rows: number
}

/** What the chosen way says of rows that its fits had not seen. */
export interface OutOfFold {
  /** Shape [held out]: places of the rows in the training set. */
  readonly rows: Int32Array
  /** Shape [held out, labels], calibrated. */
  readonly probabilities: Matrix
}

/** A row whose label is likely wrong. */
export interface DoubtedLabel {
  /** Its place in the training set. */
  readonly row: number
  readonly given: number
  /** The likelier label. */
  readonly likelier: number
  /** Probability that the given label is wrong, 0 to 1. */
  readonly score: number
}

/** What held-out answers say of the labels that were given. */
export interface LabelFindings {
  /** Estimated share of wrong labels; 0 where no share clearly explains the rows better than none. */
  readonly noise: number
  /** Most likely wrong first. */
  readonly doubted: readonly DoubtedLabel[]
  /** Rows that the fit left out for their labels. */
  readonly leftOut: number
}

export interface TrainedHead {
  readonly head: Head
  /** Why the head has no detector; absent where it has one, or where nobody knows. */
  readonly noDetector?: DetectorLack | undefined
  /** `softmax`, `lda`, `softmax+lda+knn` … */
  readonly method: string
  /** One sentence on why this method. */
  readonly why: string
  readonly candidates: readonly CandidateReport[]
  /** Of the chosen candidate on rows held out; null where no row could be. */
  readonly crossValidation: CrossValidation | null
  /** Macro-F1 that balanced answers would reach, held out, where labels are unevenly frequent; null where that is not asked. */
  readonly balanced?: { readonly macroF1: number; readonly balance: number } | null | undefined
  /** The answers behind `crossValidation`, where the training keeps them. */
  readonly outOfFold?: OutOfFold | undefined
  /**
   * Fits a head without a detector to some of the rows, ascending, by the method and settings that all rows chose; where
   * the training keeps them.
   */
  readonly refit?: ((rows: Int32Array) => Promise<Head>) | undefined
  /** What they say of the labels; absent with several labels a row. */
  readonly labelFindings?: LabelFindings | undefined
}
