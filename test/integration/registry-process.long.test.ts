import { describeRegistryProcess } from './registry-process-suite.ts'

describeRegistryProcess({
  publishing: [1, 4, 6, 8],
  promoting: [1, 3],
  pulling: [4, 10, 16],
  deleting: [1, 2, 3],
})
