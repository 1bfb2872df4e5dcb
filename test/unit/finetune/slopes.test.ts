import { describeSlopes } from './slopes-suite.ts'

// PyTorch's gradients of every loss are in golden-gradients.test.ts; all combinations are a long test.
describeSlopes([
  'cross-entropy, smoothed and weighted, all',
  'binary cross-entropy, weighted, head',
  'cosine-softmax, layers',
  'contrastive, layers',
])
