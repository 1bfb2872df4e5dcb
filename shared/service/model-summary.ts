/** A model of the registry, or a built-in one, as lists show it without loading it. */
export interface ModelSummary {
  readonly name: string
  readonly kind: 'embedding' | 'classifier'
  readonly source: 'built-in' | 'registry'
  /** Ascending. */
  readonly versions: readonly number[]
  readonly aliases: Readonly<Record<string, number>>
  readonly family: string
  /** Encoders: the length of a vector. */
  readonly dimension: number | null
  /** Classifiers: how many labels there are. */
  readonly labels: number | null
}
