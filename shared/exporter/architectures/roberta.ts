import { type Architecture, POST_NORM } from './architecture.ts'
import { BERT_TENSORS, bertConfig } from './bert.ts'

const DEFAULT_PAD_ID = 1

/**
 * Liu et al., 2019, https://arxiv.org/abs/1907.11692: BERT whose positions count from behind the padding id. XLM-R
 * (https://arxiv.org/abs/1911.02116) and CamemBERT (https://arxiv.org/abs/1911.03894) are the same network.
 */
export const roberta: Architecture = {
  config: bertConfig((given) => {
    const padId = given ?? DEFAULT_PAD_ID
    return { architecture: 'roberta', padId, positionOffset: padId + 1 }
  }),
  tensors: BERT_TENSORS,
  block: POST_NORM,
  sequenceHead: {
    dense: { tensor: 'classifier.dense', activation: 'Tanh' },
    output: 'classifier.out_proj',
  },
}
