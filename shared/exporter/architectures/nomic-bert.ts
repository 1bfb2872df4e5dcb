import { z } from 'zod'
import {
  type Architecture,
  count,
  supportedActivation,
  type TransformerConfig,
} from './architecture.ts'
import { ropeBase, ropeParameters } from './positions.ts'

/** The words of published folders, whose configuration is of the model's own code, and those of transformers. */
const RENAMED = {
  n_embd: 'hidden_size',
  n_layer: 'num_hidden_layers',
  n_head: 'num_attention_heads',
  n_inner: 'intermediate_size',
  n_positions: 'max_position_embeddings',
  layer_norm_epsilon: 'layer_norm_eps',
  rotary_emb_base: 'rope_theta',
} as const

const no = z.literal(false).nullish()

/** What published configurations leave open, and published models do not use, is refused where it is used. */
const nomicBertConfigSchema = z.object({
  hidden_size: count.max(8192),
  num_hidden_layers: count.max(128),
  num_attention_heads: count.max(256),
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count.default(2048),
  hidden_act: z.string().default('silu'),
  activation_function: z.literal('swiglu').nullish(),
  layer_norm_eps: z.number().gt(0).lt(1).default(1e-12),
  pad_token_id: z.int().min(0).nullish(),
  rope_theta: ropeBase.default(1000),
  rope_parameters: ropeParameters.nullish(),
  rotary_emb_fraction: z.literal(1).nullish(),
  rotary_scaling_factor: z.null().optional(),
  rotary_emb_scale_base: z.null().optional(),
  rotary_emb_interleaved: no,
  prenorm: no,
  parallel_block: no,
  use_rms_norm: no,
  qkv_proj_bias: no,
  mlp_fc1_bias: no,
  mlp_fc2_bias: no,
})

function rename(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, entry]) => [
    Object.hasOwn(RENAMED, key) ? RENAMED[key as keyof typeof RENAMED] : key,
    entry,
  ])
  return Object.fromEntries(entries)
}

/** Nussbaum et al., 2024, https://arxiv.org/abs/2402.01613: BERT with rotary positions and gates, without biases. */
export const nomicBert: Architecture = {
  config: z.preprocess(
    rename,
    nomicBertConfigSchema.transform((c): TransformerConfig => {
      const base = c.rope_parameters?.rope_theta ?? c.rope_theta
      return {
        architecture: 'nomic_bert',
        hidden: c.hidden_size,
        layers: c.num_hidden_layers,
        heads: c.num_attention_heads,
        intermediate: c.intermediate_size,
        vocabulary: c.vocab_size,
        positions: c.max_position_embeddings,
        positionOffset: 0,
        activation: supportedActivation(c.hidden_act, 'gated'),
        layerNormEpsilon: c.layer_norm_eps,
        padId: c.pad_token_id ?? 0,
        attention: Array.from({ length: c.num_hidden_layers }, () => ({
          ropeBase: base,
          window: null,
        })),
        biases: { attention: false, ffn: false, norm: true },
      }
    }),
  ),
  tensors: {
    words: 'embeddings.word_embeddings',
    positions: null,
    types: 'embeddings.token_type_embeddings',
    embeddingNorm: 'emb_ln',
    relative: null,
    layer: 'encoder.layers.',
    qkv: ['attn.Wqkv'],
    out: 'attn.out_proj',
    attentionNorm: 'norm1',
    ffnIn: ['mlp.fc12', 'mlp.fc11'],
    ffnOut: 'mlp.fc2',
    outputNorm: 'norm2',
    finalNorm: null,
  },
  block: { order: 'post', feedForward: 'gated', skipsFirstNorm: false },
}
