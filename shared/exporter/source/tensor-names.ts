import { ARCHITECTURE_NAMES } from '../../lib/manifests/encoder-manifest.ts'
import type { TransformerConfig } from '../architectures/architecture.ts'
import { ARCHITECTURES } from '../architectures/table.ts'

/** The tables of word vectors: what tells an encoder from other files. */
const WORD_TABLES = [...new Set(Object.values(ARCHITECTURES).map(({ tensors }) => tensors.words))]
/** A file of an encoder alone has no prefix; one of a whole model has the architecture's name or a usual one. */
const PREFIXES = ['', ...ARCHITECTURE_NAMES.map((name) => `${name}.`), 'model.', 'encoder.']

const LINEAR_ENDS = ['weight', 'bias'] as const
const NORM_ENDS = ['gamma', 'beta'] as const

/** A trainable tensor of ours as the file keeps it: the names of the parts that it stacks, in row order. */
export type StoredNames = ReadonlyMap<string, readonly string[]>

/**
 * Where `model.safetensors` keeps the tensors of the layers, by our names (`layers.3.qkv.weight`) and relative
 * to the file's prefix.
 */
export function storedLayerNames(config: TransformerConfig): StoredNames {
  const { tensors: names, block } = ARCHITECTURES[config.architecture]
  const { attention = true, ffn = true, norm = true } = config.biases ?? {}
  const found = new Map<string, readonly string[]>()
  for (let index = 0; index < config.layers; index++) {
    const at = `${names.layer}${index}.`
    const add = (
      ours: string,
      parts: readonly string[],
      [matrix, shift]: readonly [string, string],
      hasBias: boolean,
    ): void => {
      const stack = (stored: string) => parts.map((part) => `${at}${part}.${stored}`)
      found.set(`layers.${index}.${ours}.${matrix}`, stack('weight'))
      if (hasBias) found.set(`layers.${index}.${ours}.${shift}`, stack('bias'))
    }
    const isBare = block.skipsFirstNorm && index === 0
    add('qkv', names.qkv, LINEAR_ENDS, attention)
    add('out', [names.out], LINEAR_ENDS, attention)
    if (!isBare) add('attention_norm', [names.attentionNorm], NORM_ENDS, norm)
    add('ffn_in', names.ffnIn, LINEAR_ENDS, ffn)
    add('ffn_out', [names.ffnOut], LINEAR_ENDS, ffn)
    add('output_norm', [names.outputNorm], NORM_ENDS, norm)
  }
  return found
}

/**
 * What the names of a file's tensors begin with; null where it holds no encoder.
 * @param words the table of word vectors. @default that of any architecture
 */
export function findPrefix(names: readonly string[], words?: string): string | null {
  const tables = words === undefined ? WORD_TABLES : [words]
  const isFound = (prefix: string) =>
    tables.some((table) => names.includes(`${prefix}${table}.weight`))
  return PREFIXES.find(isFound) ?? null
}
