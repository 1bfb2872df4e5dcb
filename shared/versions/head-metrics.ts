/** A number that is unknown where it is null or not finite. */
type Measured = number | null | undefined

/** What a report measures, as far as manifests tell it. */
export interface MeasuredReport {
  readonly split: { readonly testRows: number }
  readonly crossValidation: { readonly accuracy: Measured; readonly nll: Measured } | null
  readonly test: {
    readonly accuracy: Measured
    readonly interval: { readonly low: number; readonly high: number } | null
    readonly macroF1: Measured
    readonly ece: Measured
    readonly nll: Measured
  } | null
}

/** The metrics of a classifier's manifest. */
export function collectHeadMetrics({ split, crossValidation, test }: MeasuredReport) {
  return {
    accuracy: measure(test?.accuracy),
    accuracyLow: measure(test?.interval?.low),
    accuracyHigh: measure(test?.interval?.high),
    macroF1: measure(test?.macroF1),
    ece: measure(test?.ece),
    nll: measure(test?.nll),
    testRows: split.testRows,
    crossValidatedAccuracy: measure(crossValidation?.accuracy),
    crossValidatedNll: measure(crossValidation?.nll),
  }
}

/** A number that JSON can carry; null where it is unknown. */
function measure(value: Measured): number | null {
  return value != null && Number.isFinite(value) ? value : null
}
