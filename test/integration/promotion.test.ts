import { it } from 'vitest'
import { runPromotions } from './promotion-suite.ts'

/** On a busy machine: it takes six seconds on an idle one. */
const TIMEOUT_MS = 240_000

it(
  'two servers follow promotions under load without a failed request',
  () => runPromotions({ promotions: 5, print: () => {} }),
  TIMEOUT_MS,
)
