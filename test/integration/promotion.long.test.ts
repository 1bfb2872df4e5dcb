import { randomUUID } from 'node:crypto'
import { describe, it } from 'vitest'
import { runPromotions } from './promotion-suite.ts'

const PROMOTIONS = 50

describe('two servers follow 50 promotions under load without a failed request', () => {
  it('from a folder', async () => {
    await runPromotions({ promotions: PROMOTIONS, print: console.log })
  })

  const endpoint = process.env.S3_TEST_ENDPOINT
  it.skipIf(!endpoint)('from S3 (skipped without S3_TEST_ENDPOINT)', async () => {
    const env = {
      AWS_ACCESS_KEY_ID: process.env.S3_TEST_ACCESS_KEY ?? 'testkey',
      AWS_SECRET_ACCESS_KEY: process.env.S3_TEST_SECRET_KEY ?? 'testsecret123',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: endpoint ?? '',
    }
    Object.assign(process.env, env)
    const bucket = process.env.S3_TEST_BUCKET ?? 'espalier'
    const query = `region=${env.AWS_REGION}&endpoint=${encodeURIComponent(endpoint ?? '')}`
    const url = `s3://${bucket}/test/${randomUUID()}?${query}`
    await runPromotions({ url, env, promotions: PROMOTIONS, print: console.log })
  })
})
