import { describeExactness } from './exactness-suite.ts'

describeExactness({ texts: 40, batches: { float32: 6, int8: 10 } })
