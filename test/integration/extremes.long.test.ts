import { describeExtremes } from './extremes-suite.ts'

describeExtremes({ many: 10_000, turns: 120 })
