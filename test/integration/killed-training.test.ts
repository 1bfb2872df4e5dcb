import { describeKilledTraining } from './killed-training-suite.ts'

describeKilledTraining([4])
