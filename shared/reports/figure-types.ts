/** A measured number; null where it is undefined (no rows, no champion). Shares are 0 to 1. */
export type Measure = number | null

/** A 95 % interval; `method` is missing in old reports, which bootstrapped. */
export interface ReportInterval {
  readonly low: number
  readonly high: number
  readonly method?: string | undefined
}

/** A difference of shares on the same rows. */
export interface ReportGain extends ReportInterval {
  readonly difference: number
  /** Of the exact paired test, where there is one. */
  readonly pValue?: number | undefined
}

/** Training anew for every fold, several times over: test and training rows together, of test files the latter alone. */
export interface ReportRepeated {
  readonly repeats: number
  readonly folds: number
  readonly rows: number
  readonly accuracy: Measure
  readonly interval: ReportInterval
  readonly macroF1: Measure
  readonly microF1: Measure
  /** Test rows from which on the interval of such an accuracy reaches no further than five points to either side. */
  readonly rowsForFivePoints: number
}

/** A simpler answer beside the head. */
export interface ReportBaseline {
  /** `majority` or `tf-idf`. */
  readonly name: string
  /** On the test rows; null without any. `gain` is that of the head over it. */
  readonly test: ReportBaselineFigures | null
  /** On the folds of the repeated cross-validation; null without one. */
  readonly repeated: ReportBaselineFigures | null
}

export interface ReportBaselineFigures {
  readonly accuracy: Measure
  readonly interval: ReportInterval | null
  readonly macroF1: Measure
  readonly gain: ReportGain
}

/** Answers to rows that the head has not learnt, beyond what is right: how sure, and what is confused. */
export interface ReportAnswers {
  /** Absent with several labels per text: single decisions of a text hang together. */
  readonly eceInterval?: ReportInterval | null | undefined
  /** Mean ECE that a head without any would show on so many rows. */
  readonly eceByChance?: Measure | undefined
  readonly riskCoverage?: ReportRiskCoverage | undefined
  /** Pairs of labels that are taken for each other, the most frequent first; empty with several labels per text. */
  readonly confusedPairs?: readonly ReportConfusedPair[] | undefined
}

/** The answers behind the cross-validation, told where few rows were held out for the test. */
export interface ReportOutOfFold extends ReportAnswers {
  readonly rows: number
  readonly accuracy: Measure
  readonly ece: Measure
  readonly reliability: readonly {
    readonly low: number
    readonly high: number
    readonly count: number
    readonly confidence: Measure
    readonly accuracy: Measure
  }[]
}

/** Error among the answered rows where only the surest are answered. */
export interface ReportRiskCoverage {
  readonly points: readonly {
    readonly coverage: number
    readonly risk: number
    readonly low: number
    readonly high: number
    readonly confidence: number
  }[]
  /** AURC: mean error over all shares of answered rows. */
  readonly area: Measure
  /** The area where every wrong answer was less sure than every right one. */
  readonly bestArea: Measure
  readonly atRisk: readonly {
    readonly risk: number
    readonly coverage: number
    /** That an answer must reach; null where nothing can be answered so. */
    readonly confidence: Measure
    /** Exact interval of the error of these answers. */
    readonly low: number
    readonly high: number
  }[]
}

export interface ReportConfusedPair {
  /** The label that is answered wrongly more often. */
  readonly first: string
  readonly second: string
  /** Rows of `first` taken for `second`, and the other way round. */
  readonly forth: number
  readonly back: number
  /** Rows that truly have one of the two. */
  readonly of: number
  /** That errors which fall on all labels alike make so many of one pair, corrected for the number of pairs. */
  readonly pValue: number
  /** Lines of the file, those with the surest wrong answers first; the first ones of many. */
  readonly lines: readonly number[]
}

/** Accuracy by the number of rows that were learnt. */
export interface ReportLearningCurve {
  /** Whether the answered rows are the test rows or held out of the training rows in folds. */
  readonly on: 'test' | 'folds'
  readonly rows: number
  readonly points: readonly {
    readonly rows: number
    readonly draws: number
    readonly head: ReportCurveFigure
    /** Without pretraining; null where it would take too long, and for images. */
    readonly tfIdf: ReportCurveFigure | null
  }[]
  /** What twice the rows are likely to bring; null where the points follow no power law. */
  readonly forecast: {
    readonly rows: number
    readonly gain: number
    readonly low: number
    readonly high: number
  } | null
}

export interface ReportCurveFigure {
  readonly accuracy: number
  readonly interval: ReportInterval
}

/** What serving the head takes, measured where it was trained. */
export interface ReportCost {
  /** Of the head itself for a row, in batches. */
  readonly headMicroseconds: Measure
  /** Of the encoder for a text or image that was not in the cache, in batches; null where too few were not. */
  readonly encoderMilliseconds: Measure
  /** Part of the head's bytes that is its neighbours. */
  readonly neighbourBytes: number
  readonly dimension: number
}

/** What cross-validation says of the labels of the training rows. */
export interface ReportLabelNoise {
  /** Rows that were judged. */
  readonly rows: number
  /** Estimated share of wrong labels; 0 where none is clear. */
  readonly noise: Measure
  /** Rows whose label is likely wrong. */
  readonly doubted: number
  /** Rows that the fit left out for their labels. */
  readonly leftOut: number
  /** The first few, most likely wrong first. */
  readonly examples: readonly ReportDoubtedLabel[]
}

export interface ReportDoubtedLabel {
  /** `line 12`; of an image its path. */
  readonly place: string
  readonly given: string
  readonly likelier: string
  /** Probability that the given label is wrong. */
  readonly score: Measure
}

/** How sure answers may be, by the training rows that the cross-validation held out. */
export interface ReportSureAnswers {
  readonly heldOut: number
  /** Null where too few rows were held out for the coverage. */
  readonly sets: ReportPredictionSets | null
  /** Null where no precision was asked for. */
  readonly abstention: ReportAbstention | null
}

/** Prediction sets of one coverage. */
export interface ReportPredictionSets {
  readonly coverage: number
  /** The probability from which a label stands in a set. */
  readonly minScore: Measure
  /** Labels of which too few rows were held out for sets by label. */
  readonly labelsWithTooFewRows: number
  /** Null without test rows. */
  readonly test: {
    readonly rows: number
    /** Share of rows whose set holds the true label. */
    readonly covered: Measure
    readonly meanSize: Measure
    /** Shares of sets with one label, and with none. */
    readonly single: Measure
    readonly empty: Measure
  } | null
}

/** Answers from a score on. */
export interface ReportAnsweredRows {
  readonly minScore: number
  readonly answered: number
  readonly right: number
  /** The precision is at least this, in 95 of 100 trainings. */
  readonly low: number
}

/** The score from which answers are right with a precision. */
export interface ReportAbstention {
  readonly precision: number
  /** Rows that it was sought on. */
  readonly rows: number
  /** Null where no score was shown to reach it. */
  readonly chosen: ReportAnsweredRows | null
  /** The highest precision that was shown. */
  readonly best: ReportAnsweredRows | null
  /** Rows that must be answered, all rightly, before the precision is shown. */
  readonly needed: number
  /** The test rows that are answered; null without a score, or without test rows. */
  readonly test: {
    readonly rows: number
    readonly answered: number
    readonly right: number
    /** 95 % interval of the precision. */
    readonly low: number
    readonly high: number
  } | null
}

/** How test rows were held out: a seeded stratified share, the latest, or a file of their own. */
export interface ReportSplit {
  /** `grouped`: whole groups of rows are held out, of a column or of near-duplicates. `time`: the latest rows are. */
  readonly kind: 'stratified' | 'grouped' | 'time' | 'file' | 'none'
  /** The test file's name where there is one. */
  readonly source: string | null
  readonly trainRows: number
  readonly testRows: number
  /** Set where the latest rows are held out. */
  readonly periods?: ReportPeriods | undefined
}

/** From when rows are, by a column of times: dates in ISO 8601, numbers as they are. */
export interface ReportPeriods {
  readonly column: string
  /** What the cells are; Unix times are told as dates. */
  readonly kind: 'date' | 'seconds' | 'milliseconds' | 'number'
  /** Training rows are strictly earlier. */
  readonly cut: string
  readonly train: { readonly from: string; readonly to: string }
  readonly test: { readonly from: string; readonly to: string }
  /** Test rows before the cut, which stay together with later ones. */
  readonly testRowsBeforeCut: number
}
