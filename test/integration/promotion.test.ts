import { it } from 'vitest'
import { runPromotions } from './promotion-suite.ts'

it('two servers follow promotions under load without a failed request', async () => {
  await runPromotions({ promotions: 5, print: () => {} })
})
