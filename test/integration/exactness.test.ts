import { describeExactness } from './exactness-suite.ts'

describeExactness({ texts: 40, batches: { float32: 12, int8: 24 } })
