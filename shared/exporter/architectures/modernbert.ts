import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'
import {
  type Architecture,
  count,
  supportedActivation,
  type TransformerConfig,
} from './architecture.ts'
import { ropeBase, ropeParameters } from './positions.ts'

const modernbertConfigSchema = z.object({
  hidden_size: count.max(8192),
  num_hidden_layers: count.max(128),
  num_attention_heads: count.max(256),
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count.default(8192),
  hidden_activation: z.string().default('gelu'),
  norm_eps: z.number().gt(0).lt(1).default(1e-5),
  norm_bias: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  pad_token_id: z.int().min(0).nullish(),
  /** Tokens that a layer with a window sees, itself left out: half on either side. */
  local_attention: z.int().min(2).max(1_000_000).default(128),
  global_attn_every_n_layers: count.default(3),
  layer_types: z
    .array(z.enum(['full_attention', 'sliding_attention']))
    .max(128)
    .nullish(),
  global_rope_theta: ropeBase.default(160_000),
  local_rope_theta: ropeBase.nullish(),
  rope_parameters: z
    .object({ full_attention: ropeParameters, sliding_attention: ropeParameters })
    .nullish(),
})

/** Warner et al., 2024, https://arxiv.org/abs/2412.13663: rotated positions, windows in two layers of three, gates. */
export const modernbert: Architecture = {
  config: modernbertConfigSchema.transform((c): TransformerConfig => {
    if (c.layer_types && c.layer_types.length !== c.num_hidden_layers) {
      throw new EspalierError(
        'invalid_model_file',
        `config.json: layer_types has ${c.layer_types.length} entries for ${c.num_hidden_layers} layers`,
      )
    }
    const everyBase = c.rope_parameters?.full_attention.rope_theta ?? c.global_rope_theta
    const windowBase =
      c.rope_parameters?.sliding_attention.rope_theta ?? c.local_rope_theta ?? everyBase
    const isFull = (index: number): boolean =>
      c.layer_types
        ? c.layer_types[index] === 'full_attention'
        : index % c.global_attn_every_n_layers === 0
    return {
      architecture: 'modernbert',
      hidden: c.hidden_size,
      layers: c.num_hidden_layers,
      heads: c.num_attention_heads,
      intermediate: c.intermediate_size,
      vocabulary: c.vocab_size,
      positions: c.max_position_embeddings,
      positionOffset: 0,
      activation: supportedActivation(c.hidden_activation, 'gated'),
      layerNormEpsilon: c.norm_eps,
      padId: c.pad_token_id ?? 50_283,
      attention: Array.from({ length: c.num_hidden_layers }, (_, index) =>
        isFull(index)
          ? { ropeBase: everyBase, window: null }
          : { ropeBase: windowBase, window: Math.floor(c.local_attention / 2) },
      ),
      biases: { attention: c.attention_bias, ffn: c.mlp_bias, norm: c.norm_bias },
    }
  }),
  tensors: {
    words: 'embeddings.tok_embeddings',
    positions: null,
    types: null,
    embeddingNorm: 'embeddings.norm',
    relative: null,
    layer: 'layers.',
    qkv: ['attn.Wqkv'],
    out: 'attn.Wo',
    attentionNorm: 'attn_norm',
    ffnIn: ['mlp.Wi'],
    ffnOut: 'mlp.Wo',
    outputNorm: 'mlp_norm',
    finalNorm: 'final_norm',
  },
  block: { order: 'pre', feedForward: 'gated', skipsFirstNorm: true },
}
