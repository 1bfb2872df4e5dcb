import { describeExactness } from './exactness-suite.ts'

describeExactness({ texts: 40, batches: 12 })
