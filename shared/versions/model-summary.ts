/** A model of the registry, or a built-in one, as lists show it without loading it. */
export interface ModelSummary {
  readonly name: string
  readonly kind: 'embedding' | 'classifier'
  readonly source: 'built-in' | 'registry'
  /** Ascending. */
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
  /** Shares of the requests for the bare name; null where the champion answers all. */
  readonly traffic: readonly { readonly version: number; readonly percent: number }[] | null
  /** The version that scores a sample of requests without answering them. */
  readonly shadow: { readonly version: number; readonly samplePercent: number } | null
  /** Bytes of the newest version's files. */
  readonly bytes: number
  readonly family: string
  /** Encoders: the length of a vector. */
  readonly dimension: number | null
  /** Classifiers: how many labels there are. */
  readonly labels: number | null
}
