import { describeExtremes } from './extremes-suite.ts'

describeExtremes({ many: 2_000, turns: 40 })
