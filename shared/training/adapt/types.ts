import type { MatrixKernels } from '../../lib/maths/matrix-kernels.ts'

/** The ways to carry labels over to another domain; `source` does not look at the target. */
export const ADAPT_METHODS = ['easytl', 'easytl-c', 'coral', 'source'] as const
export type AdaptMethod = (typeof ADAPT_METHODS)[number]

/** A method in one sentence, for cards and reports. */
export const METHOD_REASONS: Readonly<Record<AdaptMethod, string>> = {
  easytl: 'EasyTL: nearest class mean after CORAL, columns standardised in each domain',
  'easytl-c': 'EasyTL(c): nearest class mean, columns standardised in each domain, no alignment',
  coral: 'CORAL: softmax regression on the source with the covariance of the target',
  source: 'softmax regression on the source, no adaptation',
}

/** What adapting works with. */
export interface AdaptTools {
  readonly kernels: MatrixKernels
  readonly onProgress?: ((stage: string, done: number, total: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}
