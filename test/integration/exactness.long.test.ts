import { describeExactness } from './exactness-suite.ts'

describeExactness({ texts: 600, batches: { float32: 1_000, int8: 10_000 } })
