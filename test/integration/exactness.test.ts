import { describeExactness } from './exactness-suite.ts'

describeExactness({ texts: 80, batches: 16 })
