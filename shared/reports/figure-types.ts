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
