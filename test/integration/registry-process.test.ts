import { describeRegistryProcess } from './registry-process-suite.ts'

describeRegistryProcess({ publishing: [1, 6], promoting: [3], pulling: [10], deleting: [2] })
