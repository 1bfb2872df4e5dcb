import { describeSlopes } from './slopes-suite.ts'

describeSlopes()
