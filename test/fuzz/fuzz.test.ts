import { fuzzServer } from './fuzz-suite.ts'

fuzzServer({ runs: 500, seed: 20_260_101 })
