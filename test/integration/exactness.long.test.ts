import { describeExactness } from './exactness-suite.ts'

describeExactness({ texts: 600, batches: 1000 })
