import { describeKilledTraining } from './killed-training-suite.ts'

describeKilledTraining([1, 4, 6])
