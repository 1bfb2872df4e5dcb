import type { Encoder } from '../../shared/encoder/types.ts'
import type { EncoderSupply } from '../../shared/serving/live/heads-by-encoder.ts'
import { checkFamily } from '../../shared/versions/head-version.ts'

/** A supply of one encoder, which stays what it is. */
export function createFixedSupply(encoder: Encoder): EncoderSupply {
  return {
    current: encoder,
    followed: null,
    held: [],
    attach() {},
    follow: () => false,
    settle: async () => [],
    async acquireFor(version) {
      checkFamily(version, version.family, encoder.info, version.lineage?.encoder)
      return { encoder, release: () => {} }
    },
    holdFor: ({ family }) => (family === encoder.info.family ? { encoder, release() {} } : null),
  }
}
