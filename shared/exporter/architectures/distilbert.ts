import { z } from 'zod'
import {
  type Architecture,
  count,
  POST_NORM,
  supportedActivation,
  type TransformerConfig,
} from './architecture.ts'

const distilbertConfigSchema = z.object({
  dim: count.max(8192),
  n_layers: count.max(128),
  n_heads: count.max(256),
  hidden_dim: count,
  vocab_size: count,
  max_position_embeddings: count,
  activation: z.string().default('gelu'),
  pad_token_id: z.int().min(0).nullish(),
})

/** Sanh et al., 2019, https://arxiv.org/abs/1910.01108: BERT without token types, in words of its own. */
export const distilbert: Architecture = {
  config: distilbertConfigSchema.transform(
    (c): TransformerConfig => ({
      architecture: 'distilbert',
      hidden: c.dim,
      layers: c.n_layers,
      heads: c.n_heads,
      intermediate: c.hidden_dim,
      vocabulary: c.vocab_size,
      positions: c.max_position_embeddings,
      positionOffset: 0,
      activation: supportedActivation(c.activation),
      layerNormEpsilon: 1e-12,
      padId: c.pad_token_id ?? 0,
    }),
  ),
  tensors: {
    words: 'embeddings.word_embeddings',
    positions: 'embeddings.position_embeddings',
    types: null,
    embeddingNorm: 'embeddings.LayerNorm',
    relative: null,
    layer: 'transformer.layer.',
    qkv: ['attention.q_lin', 'attention.k_lin', 'attention.v_lin'],
    out: 'attention.out_lin',
    attentionNorm: 'sa_layer_norm',
    ffnIn: ['ffn.lin1'],
    ffnOut: 'ffn.lin2',
    outputNorm: 'output_layer_norm',
    finalNorm: null,
  },
  block: POST_NORM,
  sequenceHead: { dense: { tensor: 'pre_classifier', activation: 'ReLU' }, output: 'classifier' },
}
