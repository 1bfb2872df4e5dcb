import { ARCHITECTURE_NAMES } from '../../lib/manifests/encoder-manifest.ts'
import type { TransformerConfig } from '../architectures/architecture.ts'
import { ARCHITECTURES } from '../architectures/table.ts'

/** The table of word vectors: what tells an encoder from other files. */
export const WORD_TABLE = 'embeddings.word_embeddings.weight'
/** A file of an encoder alone has no prefix; one of a whole model has the architecture's name or a usual one. */
const PREFIXES = ['', ...ARCHITECTURE_NAMES.map((name) => `${name}.`), 'model.', 'encoder.']

/** A trainable tensor of ours as the file keeps it: the names of the parts that it stacks, in row order. */
export type StoredNames = ReadonlyMap<string, readonly string[]>

/**
 * Where `model.safetensors` keeps the tensors of the layers, by our names (`layers.3.qkv.weight`) and relative
 * to the file's prefix.
 */
export function storedLayerNames(config: TransformerConfig): StoredNames {
  const names = ARCHITECTURES[config.architecture].tensors
  const [query, key, value, out] = names.attention
  const found = new Map<string, readonly string[]>()
  for (let index = 0; index < config.layers; index++) {
    const at = `${names.layer}${index}.`
    const add = (ours: string, parts: readonly string[], ends: readonly [string, string]): void => {
      for (const [end, stored] of [
        [ends[0], 'weight'],
        [ends[1], 'bias'],
      ] as const) {
        const stack = parts.map((part) => `${at}${part}.${stored}`)
        found.set(`layers.${index}.${ours}.${end}`, stack)
      }
    }
    add('qkv', [query, key, value], ['weight', 'bias'])
    add('out', [out], ['weight', 'bias'])
    add('attention_norm', [names.attentionNorm], ['gamma', 'beta'])
    add('ffn_in', [names.ffn[0]], ['weight', 'bias'])
    add('ffn_out', [names.ffn[1]], ['weight', 'bias'])
    add('output_norm', [names.outputNorm], ['gamma', 'beta'])
  }
  return found
}

/** What the names of a file's tensors begin with; null where it holds no encoder. */
export function findPrefix(names: readonly string[]): string | null {
  return PREFIXES.find((candidate) => names.includes(candidate + WORD_TABLE)) ?? null
}
