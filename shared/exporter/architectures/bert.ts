import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import {
  type Architecture,
  count,
  POST_NORM,
  supportedActivation,
  type TensorLayout,
  type TransformerConfig,
} from './architecture.ts'

const bertConfigSchema = z.object({
  hidden_size: count.max(8192),
  num_hidden_layers: count.max(128),
  num_attention_heads: count.max(256),
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count,
  hidden_act: z.string().default('gelu'),
  layer_norm_eps: z.number().gt(0).lt(1).default(1e-12),
  pad_token_id: z.int().min(0).nullish(),
  position_embedding_type: z.string().nullish(),
  relative_attention_num_buckets: z.int().min(4).max(1024).multipleOf(4).default(32),
})

/** `config.json` of BERT and of what is configured in its words. */
export function bertConfig(
  own: (
    padId: number | null,
    relativeBuckets: number,
  ) => Pick<TransformerConfig, 'architecture' | 'padId' | 'positionOffset' | 'relativeBuckets'>,
): z.ZodType<TransformerConfig> {
  return bertConfigSchema.transform((c) => {
    if (c.position_embedding_type && c.position_embedding_type !== 'absolute') {
      throw new EspalierError(
        'unsupported_model',
        `config.json: position_embedding_type ${c.position_embedding_type}; supported: absolute`,
      )
    }
    return {
      ...own(c.pad_token_id ?? null, c.relative_attention_num_buckets),
      hidden: c.hidden_size,
      layers: c.num_hidden_layers,
      heads: c.num_attention_heads,
      intermediate: c.intermediate_size,
      vocabulary: c.vocab_size,
      positions: c.max_position_embeddings,
      activation: supportedActivation(c.hidden_act),
      layerNormEpsilon: c.layer_norm_eps,
    }
  })
}

export const BERT_TENSORS: TensorLayout = {
  words: 'embeddings.word_embeddings',
  positions: 'embeddings.position_embeddings',
  types: 'embeddings.token_type_embeddings',
  embeddingNorm: 'embeddings.LayerNorm',
  relative: null,
  layer: 'encoder.layer.',
  qkv: ['attention.self.query', 'attention.self.key', 'attention.self.value'],
  out: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  ffnIn: ['intermediate.dense'],
  ffnOut: 'output.dense',
  outputNorm: 'output.LayerNorm',
  finalNorm: null,
}

/** Devlin et al., 2019, https://arxiv.org/abs/1810.04805. */
export const bert: Architecture = {
  config: bertConfig((padId) => ({ architecture: 'bert', padId: padId ?? 0, positionOffset: 0 })),
  tensors: BERT_TENSORS,
  block: POST_NORM,
  sequenceHead: {
    dense: { tensor: 'bert.pooler.dense', activation: 'Tanh' },
    output: 'classifier',
  },
}
