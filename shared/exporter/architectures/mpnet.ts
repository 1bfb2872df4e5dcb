import { type Architecture, POST_NORM } from './architecture.ts'
import { BERT_TENSORS, bertConfig } from './bert.ts'

const DEFAULT_PAD_ID = 1

/**
 * Song et al., 2020, https://arxiv.org/abs/2004.09297: RoBERTa without token types, with biases by distance that all
 * layers share.
 */
export const mpnet: Architecture = {
  config: bertConfig((given, relativeBuckets) => {
    const padId = given ?? DEFAULT_PAD_ID
    return { architecture: 'mpnet', padId, positionOffset: padId + 1, relativeBuckets }
  }),
  tensors: {
    ...BERT_TENSORS,
    types: null,
    relative: 'encoder.relative_attention_bias',
    qkv: ['attention.attn.q', 'attention.attn.k', 'attention.attn.v'],
    out: 'attention.attn.o',
    attentionNorm: 'attention.LayerNorm',
  },
  block: POST_NORM,
  sequenceHead: {
    dense: { tensor: 'classifier.dense', activation: 'Tanh' },
    output: 'classifier.out_proj',
  },
}
