/** The ways to carry labels over to another domain, each in one sentence for cards and reports. */
export const ADAPT_METHOD_TABLE = {
  easytl: 'EasyTL: nearest class mean after CORAL, columns standardised in each domain',
  'easytl-c': 'EasyTL(c): nearest class mean, columns standardised in each domain, no alignment',
  coral: 'CORAL: softmax regression on the source with the covariance of the target',
  /** The only one that does not look at the target. */
  source: 'softmax regression on the source, no adaptation',
} as const

export type AdaptMethod = keyof typeof ADAPT_METHOD_TABLE

export const ADAPT_METHODS = Object.keys(ADAPT_METHOD_TABLE) as readonly AdaptMethod[]
